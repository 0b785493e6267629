"""More than can be served: refused at once, counted and shown, and the rest as good as ever."""

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from benchmarks.load import run_for
from opsboard.adapters.http.app import create_app
from opsboard.adapters.sqlite import SqliteStore, writer
from opsboard.adapters.sqlite.writer import GroupCommit
from opsboard.adapters.system import RandomIds, SystemClock
from opsboard.application.board import Opsboard
from opsboard.application.errors import Overloaded
from opsboard.domain.entry import Stream
from opsboard.domain.event import OperationalEvent
from opsboard.entrypoints.protocol import Limits

from ...fakes import ManualClock
from ...patience import until
from ..in_process import Connect, served
from ..otlp import PROTOBUF, encoded, span, traces
from ..server import TOKEN, Server, serving
from .flood import Flood
from .lengths import length

BOUND = 20
SENT = 120

ROWS = 500
CONNECTIONS = 1_000
MAX_P99_MS = 250
MAX_MORE_MIB = 400


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {TOKEN}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str, accept: str = "application/json") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode()


async def ask(connect: Connect, request: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of an answer."""
    reader, writer = await connect()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return int(head[9:12]), head, body


def mixed(number: int) -> bytes:
    """An event, a sample or a span, which all have this number's route or message."""
    name = f"/{number}"
    if number % 3 == 0:
        event = {"level": "INFO", "type": "OPS", "message": name}
        return post("/events", json.dumps(event).encode())
    if number % 3 == 1:
        sample = {"route": name, "method": "GET", "status_code": 200, "latency_ms": 1}
        return post("/samples", json.dumps(sample).encode())
    sent = traces(span(number + 1, route=name, end=SystemClock.now()))
    return post("/v1/traces", encoded(sent, PROTOBUF), PROTOBUF)


@contextmanager
def held_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that does not answer: commits wait until the context ends."""
    answers = threading.Event()
    commit = GroupCommit.commit

    def held(connection: GroupCommit) -> None:
        assert answers.wait(120)
        commit(connection)

    monkeypatch.setattr(GroupCommit, "commit", held)
    try:
        yield
    finally:
        answers.set()


@asynccontextmanager
async def board_at(path: Path) -> AsyncIterator[tuple[Opsboard, Any]]:
    clock = SystemClock()
    board = Opsboard(SqliteStore(path, clock), clock, RandomIds())
    app = create_app(board, api_token=TOKEN, read_token=None, version="test")
    async with board:
        yield board, app


async def kept(board: Opsboard) -> set[str]:
    """The names of what the journal holds of `mixed`."""
    rows = (await board.metrics()).requests
    journal = board.store.journal
    events = [
        journal.decode(recorded) async for page in journal.read(Stream.EVENTS) for recorded in page
    ]
    said = {event.message for event in events if isinstance(event, OperationalEvent)}
    return said | {row.route for row in rows if row.service != "opsboard"}


async def test_beyond_the_bound_is_refused_counted_and_shown_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", BOUND)
    async with board_at(tmp_path / "ops.db") as (board, app), served(app, Limits()) as connect:
        with held_disk(monkeypatch):
            asked = [asyncio.create_task(ask(connect, mixed(number))) for number in range(SENT)]
            # But for what the writer took before it was held, and what may wait.
            await until(lambda: sum(task.done() for task in asked) >= SENT - 2 * BOUND)
            assert (await ask(connect, get("/livez")))[0] == 200
            refused = [task.result() for task in asked if task.done()]
            for status, head, _ in refused:
                assert status == 503
                assert b"\r\nretry-after: 1\r\n" in head
        statuses = [status for status, _, _ in await asyncio.gather(*asked)]
        shown = (await ask(connect, get("/metrics", "text/plain")))[2].decode()
        found = await kept(board)
    counts = Counter(statuses)
    assert counts.keys() == {200, 503}
    assert found == {f"/{number}" for number, status in enumerate(statuses) if status == 200}
    assert refused_as_shown(shown) == counts[503]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "ops.db", ManualClock())
    async with made.opened():
        yield made


async def test_what_waits_is_bounded_in_bytes_too(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = writer.MAX_WAITING_BYTES // 2 + 1
    with held_disk(monkeypatch):
        waiting = [store._writer.submit(nothing, large), store._writer.submit(nothing, 1)]
        with pytest.raises(Overloaded):
            store._writer.submit(nothing, large)
    await asyncio.gather(*waiting)
    await store._writer.submit(nothing, 2 * large)


async def test_a_disk_that_is_too_slow_for_a_crowd_is_not_waited_for(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    store._writer._now = lambda: seconds
    monkeypatch.setattr(writer, "CROWD", 2)
    with held_disk(monkeypatch):
        first = store._writer.submit(nothing)
        seconds = 9.0
        # One that waits is no crowd, however long it does.
        second = store._writer.submit(nothing)
        with pytest.raises(Overloaded):
            store._writer.submit(nothing)
        # Whether it takes writes at all is asked all the same.
        probe = asyncio.create_task(store.check_writable())
    await asyncio.gather(first, second, probe)


def nothing(_: GroupCommit) -> None:
    """Writes nothing."""


@pytest.mark.chaos
def test_four_times_what_it_can_take(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sample = {"route": "/flood", "method": "GET", "status_code": 200, "latency_ms": 1}
    request = post("/samples", json.dumps([sample] * ROWS).encode())
    seconds = length("CHAOS_OVERLOAD_SECONDS", 60)
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:
        can = run_for(5.0, server.port, request, 32)
        before = resident_mib(server)
        flood = Flood(server.port, request, CONNECTIONS)
        with ThreadPoolExecutor(1) as beside:
            flooding = beside.submit(asyncio.run, flood.run(4 * can.rate, seconds))
            lives = []
            while not flooding.done():
                started = time.perf_counter()
                assert server.client.get("/livez").status_code == 200
                lives.append(time.perf_counter() - started)
            flooding.result()
        after = resident_mib(server)
        shown = server.client.get("/metrics", headers={"Accept": "text/plain"}).text
        (row,) = server.client.get("/metrics?service=api").json()["requests"]
    accepted, refused = flood.statuses[200], flood.statuses[503]
    for name, value in {
        f"requests of {ROWS} samples a second that it can take": can.rate,
        "offered a second": 4 * can.rate,
        "of these not sent: each of the connections waited for an answer": flood.unsent / seconds,
        "accepted a second": accepted / seconds,
        "refused a second": refused / seconds,
        "p99 of what was accepted in ms": flood.p99_ms,
        "p99 of it before in ms": can.percentile(99),
        "/livez, slowest of all in ms": max(lives) * 1_000,
        "MiB before": before,
        "MiB after": after,
    }.items():
        record_property(name, round(value))
    assert flood.lost == 0
    assert flood.statuses.keys() == {200, 503}
    assert refused == flood.waits_said == refused_as_shown(shown)
    assert row["count"] == (accepted + len(can.latencies)) * ROWS
    assert after < before + MAX_MORE_MIB
    assert flood.p99_ms < MAX_P99_MS


def resident_mib(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) / 1024


def refused_as_shown(text: str) -> int:
    """What Prometheus is told of the requests that were refused."""
    name = 'opsboard_requests_refused_total{http_response_status_code="503"}'
    (shown,) = re.findall(rf"^{re.escape(name)} (\d+)$", text, re.MULTILINE)
    return int(shown)
