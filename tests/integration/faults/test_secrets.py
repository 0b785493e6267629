"""No token and no secret comes to light: in an answer, a log, the file, an export, `ps`."""

import logging
from pathlib import Path
from typing import Any

import httpx
import opsboard
import pytest
from opsboard.adapters.http.app import create_app
from opsboard.domain.secret_keys import MASK
from opsboard.entrypoints.process_title import without_tokens
from opsboard.entrypoints.setting_error import SettingError
from opsboard.entrypoints.settings import Settings

from ..otlp import JSON, PROTOBUF, attributes, encoded, logs, record, span, traces
from ..server import Server, run, serving

API_TOKEN = "api-8d1f2c77-never-to-be-seen"
READ_TOKEN = "read-51be0a93-never-to-be-seen"
SECRET = "hunter2-c0ffee-never-to-be-kept"
META = {
    "Password": SECRET,
    "request": {"headers": {"X-API-Key": SECRET, "Set-Cookie": [SECRET, SECRET]}},
    "list": [{"deep": {"clientSecret": {"value": SECRET}}}],
}
READS = (
    "/", "/plain", "/health", "/livez", "/readyz", "/metrics", "/metrics/series?last=1h", "/events",
    "/events/1", "/events/summary", "/errors", "/deploys", "/services", "/routes",
    "/overview?last=1h", "/samples/slowest?route=/events", "/openapi.json", "/docs", "/session",
    "/nothing", "/events?limit=x",
)  # fmt: skip
FORMS = ("application/json", "text/html", "text/plain", "application/openmetrics-text")


class Told:
    """Everything that came out of a server."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def answer(self, answer: httpx.Response) -> httpx.Response:
        self.parts.append(repr(answer.headers.raw).encode() + answer.content)
        return answer

    def holds(self, *secrets: str) -> list[str]:
        whole = b"\n".join(self.parts)
        return [secret for secret in secrets if secret.encode() in whole]


def send_everything(server: Server, told: Told) -> None:
    """Events with secrets in their meta by each way in, and whatever is refused with a token."""
    client, own = server.client, {"X-Ops-Token": API_TOKEN}
    event = {"level": "INFO", "type": "OPS", "message": "hi", "meta": META}
    assert told.answer(client.post("/events", json=event, headers=own)).status_code == 200
    failed = span(1)
    failed.events.add(
        name="exception", attributes=attributes({"exception.type": "ValueError", "http": META})
    )
    said = {"/v1/logs": logs(record({"session": SECRET}, said=META)), "/v1/traces": traces(failed)}
    for path, message in said.items():
        for kind in (PROTOBUF, JSON):
            headers = own | {"Content-Type": kind}
            answer = client.post(path, content=encoded(message, kind), headers=headers)
            assert told.answer(answer).status_code == 200
    refused: list[tuple[str, Any, dict[str, str]]] = [
        ("/events", {"level": 1, "meta": META}, own),
        ("/events", event, {"X-Ops-Token": "wrong"}),
        ("/events", event, {"Authorization": "Bearer wrong"}),
        ("/events", event, own | {"Idempotency-Key": "\x7f"}),
        ("/samples", [{"route": 1}], own),
        ("/v1/logs", [], own),
        ("/errors/none/resolve", {}, own),
        ("/session", {"token": "wrong"}, {}),
    ]
    for path, body, headers in refused:
        assert told.answer(client.post(path, json=body, headers=headers)).status_code >= 400


def read_everything(server: Server, told: Told) -> None:
    for token in (API_TOKEN, READ_TOKEN):
        for path in READS:
            for form in FORMS:
                headers = {"Authorization": f"Bearer {token}", "Accept": form}
                assert told.answer(server.client.get(path, headers=headers)).status_code < 500
        answer = server.client.post("/session", json={"token": token})
        assert told.answer(answer).status_code == 200
        assert told.answer(server.client.get("/session")).json()["may_read"]
        server.client.cookies.clear()


def test_what_is_secret_never_comes_to_light(tmp_path: Path) -> None:
    file = tmp_path / "ops.db"
    store = f"sqlite:///{file}"
    told = Told()
    flags = ("--api-token", API_TOKEN, f"--read-token={READ_TOKEN}")
    # Through `env`: a command of its own, so that the list of processes has its arguments.
    with serving(store, *flags, wrapper=["env"], OPS_API_TOKEN="") as server:
        told.parts.append(Path(f"/proc/{server.process.pid}/cmdline").read_bytes())
        assert told.parts[0].count(b"*") == len(API_TOKEN + READ_TOKEN)
        send_everything(server, told)
        handler = opsboard.EventHandler(service="shop", to=server.url, token=API_TOKEN)
        said = {"name": "shop", "msg": "refused", "levelno": 40, "extra": META}
        handler.emit(logging.makeLogRecord(said))
        run("event", "by hand", "--meta", f"token={SECRET}", OPS_STORE=store)
        headers = {"X-Ops-Token": READ_TOKEN}
        shipped: list[Any] = []
        while not shipped:
            shipped = server.client.get("/events?q=refused", headers=headers).json()
        assert shipped[0]["meta"]["extra"]["Password"] == MASK
        read_everything(server, told)
        assert server.stop() == 0
        assert server.process.stdout is not None
        told.parts.append("".join([*server.said, *server.process.stdout]).encode())
    for part in tmp_path.iterdir():
        told.parts.append(part.read_bytes())
    exported = run("export", OPS_STORE=store)
    told.parts.append(exported.stdout + exported.stderr)
    assert exported.stdout.count(MASK.encode()) > 20
    assert told.holds(API_TOKEN, READ_TOKEN, SECRET) == []


def test_all_else_of_meta_comes_back_as_it_was_sent(shared_server: Server) -> None:
    meta = {"type": "mine", "n": 1.5, "deep": [{"ok": None}], "monkey": "x", "max_tokens": 7}
    posted = shared_server.post_event(meta=meta | {"api-key": SECRET}).json()
    assert posted["meta"] == meta | {"api-key": MASK}
    assert shared_server.client.get(f"/events/{posted['id']}").json() == posted


async def test_a_fault_within_says_no_token(caplog: pytest.LogCaptureFixture) -> None:
    """The frames of a trace hold the headers; neither they nor their values are printed."""
    board = opsboard.open("memory:")

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    board.recorder.record = fail  # type: ignore[method-assign, assignment]
    app = create_app(board, api_token=API_TOKEN, read_token=READ_TOKEN, version="0")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with board, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(
            "/events",
            json={"level": "INFO", "type": "OPS", "message": "hi", "meta": META},
            headers={"X-Ops-Token": API_TOKEN, "Authorization": f"Bearer {READ_TOKEN}"},
        )
    assert answer.status_code == 500
    assert "Traceback" in caplog.text
    told = Told()
    told.answer(answer)
    told.parts.append(caplog.text.encode())
    assert told.holds(API_TOKEN, READ_TOKEN, SECRET, "RuntimeError") == ["RuntimeError"]
    assert b"RuntimeError" not in answer.content


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (b"opsboard\0serve\0", b"opsboard\0serve\0"),
        (b"x\0--api-token\0abc\0--port\x001\0", b"x\0--api-token\0***\0--port\x001\0"),
        (b"x\0--read-token=abc\0", b"x\0--read-token=***\0"),
        (b"x\0--token\0--token\0a\0", b"x\0--token\0*******\0a\0"),
        (b"x\0--token=\0--api-token\0", b"x\0--token=\0--api-token\0"),
        (b"", b""),
    ],
)
def test_a_token_among_the_arguments_is_written_over(arguments: bytes, shown: bytes) -> None:
    assert without_tokens(arguments) == shown
    assert len(shown) == len(arguments)


def test_names_that_can_be_none_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="OPS_SECRET_KEYS: '' is no name"):
        Settings.load({"OPS_SECRET_KEYS": "a,,b"})
    with pytest.raises(SettingError, match="secret_keys: '-' is no name"):
        opsboard.open("memory:", secret_keys="-")
    monkeypatch.setenv("OPS_SECRET_KEYS", "_")
    with pytest.raises(SettingError, match="OPS_SECRET_KEYS: '_' is no name"):
        opsboard.open("memory:")


async def test_the_environment_names_secrets_to_every_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPS_SECRET_KEYS", "pin,-token")
    async with opsboard.open("memory:") as board:
        recorded = await board.record_event("hi", meta={"pin": 1, "token": 2})
    assert recorded.event.meta == {"type": "OPS", "pin": MASK, "token": 2}
    async with opsboard.asgi("memory:").lifespan():
        pass
