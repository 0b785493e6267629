"""A line for each start, stop and fault, as JSON where nobody looks; nothing for each request."""

import json
import logging
import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import opsboard
import pytest
from opsboard.adapters.http.app import create_app
from opsboard.entrypoints.log_lines import JsonLines

from ..server import OPSBOARD, TOKEN, Server, environment, serving

FORGED = 'x\r\n{"level":"FATAL","message":"forged"}\x1b[2J'


def lines_of(server: Server) -> list[dict[str, Any]]:
    """What a server said that has ended; its own announcement apart."""
    assert server.process.stdout is not None
    said = [*server.said, *server.process.stdout]
    return [json.loads(line) for line in said if line.startswith("{")]


def test_a_server_says_when_it_starts_and_stops_and_nothing_of_requests(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        for path in ("/", "/events", "/nothing", "/metrics", f"/events?q={'x' * 300}"):
            server.client.get(path)
        server.post_event(message=FORGED, service="a\nb", meta={FORGED: FORGED})
        server.client.get("/%0a/..%0d%0a", headers={"X-Request-Id": "a b"})
        server.client.post("/events", content=b"\0", headers={"X-Ops-Token": "wrong"})
        server.post_event({"Idempotency-Key": "\x7f"})
        assert server.stop() == 0
        started, ended = lines_of(server)
    assert started["message"] == "started"
    assert started["level"] == "INFO"
    assert started["address"] == server.url
    assert started["store"] == store
    assert (started["writes_open"], started["reads_open"]) == (True, True)
    assert ended["message"] == "ended: every request was answered, the journal is flushed"
    assert (ended["cut_off"], ended["unwritten"]) == (0, 0)


def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 4_096)
    os.set_blocking(writing, True)
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with os.fdopen(writing, "wb") as full, serving(store, errors=full) as server:
        assert server.post_event().status_code == 200
        assert server.client.get("/livez").status_code == 200
        with os.fdopen(reading, "rb") as pipe:
            os.set_blocking(reading, False)
            assert set(pipe.read()) == set(b".")
            os.set_blocking(reading, True)
            assert server.stop() == 0
            full.close()
            told, ended = map(json.loads, pipe.read().splitlines())
    assert told["message"] == "lines left out of a log that nobody read: 1"
    assert ended["message"] == "ended: every request was answered, the journal is flushed"


async def test_a_fault_has_the_id_that_the_client_gets(caplog: pytest.LogCaptureFixture) -> None:
    board = opsboard.open("memory:")

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(FORGED)

    board.recorder.record = fail  # type: ignore[method-assign, assignment]
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonLines().format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("opsboard")
    logger.addHandler(handler)
    app = create_app(board, api_token=TOKEN, read_token=None, version="0")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    event = {"level": "INFO", "type": "OPS", "message": "hi"}
    try:
        async with board, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for given in ("", "from-a-proxy.1"):
                headers = {"X-Ops-Token": TOKEN} | ({"X-Request-Id": given} if given else {})
                answer = await client.post("/events", json=event, headers=headers)
                assert answer.status_code == 500
                id = answer.json()["id"]
                assert answer.headers["x-request-id"] == id
                assert id == given or (not given and len(id) == 32)
                line = lines.pop()
                assert json.loads(line)["request_id"] == id
                assert line.isprintable()
    finally:
        logger.removeHandler(handler)
    assert lines == []


@pytest.mark.parametrize("given", ["a b", "x" * 65, 'a"b', "a\tb", "ä", ""])
def test_an_id_that_could_mislead_is_not_taken_over(shared_server: Server, given: str) -> None:
    headers = {b"X-Request-Id": given.encode("latin-1")}
    first, second = (
        shared_server.client.get("/livez", headers=headers).headers["x-request-id"]
        for _ in range(2)
    )
    assert first != second
    assert first.isalnum()
    assert len(first) == 32


def test_at_a_terminal_it_is_for_people(tmp_path: Path) -> None:
    """A file limit makes the server warn as it starts."""
    leader, follower = pty.openpty()
    script = f"ulimit -n 300; exec {OPSBOARD} serve --port 0 --store memory:"
    with subprocess.Popen(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment(OPS_API_TOKEN=TOKEN, PYTHONDEVMODE=""),
    ) as process:
        os.close(follower)
        assert process.stdout is not None
        while b"on http://" not in (line := process.stdout.readline()):
            assert line, "it ended"
        process.terminate()
        process.wait(30)
    shown = b""
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(65_536):
                shown += part
        except OSError:  # the other end is closed
            pass
    assert b"\x1b[33mWARN \x1b[0m at most " in shown
    assert b"\x1b[32mINFO \x1b[0m started" in shown
    assert b"{" not in shown
