"""An app whose samples a store does not take: it answers as ever, and what is kept is bounded."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import opsboard
import pytest
from opsboard.adapters.http.middleware import ASGIApp, Message, Receive, Scope, Send
from opsboard.adapters.shipper.board_carrier import BoardCarrier
from opsboard.adapters.shipper.shipper import Shipper
from opsboard.adapters.sqlite import SqliteStore
from opsboard.adapters.sqlite.writer import GroupCommit
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnavailable
from opsboard.application.record import MAX_BATCH

from ...fakes import CountingIds, ManualClock
from ...patience import until

LIMIT = 10_000
REQUESTS = 20_000


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"as ever"})


async def served(app: ASGIApp, requests: int) -> list[bytes]:
    """The bodies of so many answers."""
    bodies: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            bodies.append(message["body"])

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    for number in range(requests):
        await app(dict(scope), receive, send)
        if number % 1_000 == 0:
            await asyncio.sleep(0)
    return bodies


def no_room(pages: int) -> Callable[[GroupCommit], object]:
    """A job that leaves the file room for so many pages, as a disk does; 0 for what it has."""
    return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


async def test_over_a_full_disk_samples_wait_within_a_bound_and_are_dropped_counted(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqliteStore(tmp_path / "ops.db", clock)
    board = Opsboard(store, clock, CountingIds())
    board.samples._limit = LIMIT
    async with board:
        app = opsboard.LatencyMiddleware(answering, service="shop", to=board)
        await store._writer.submit(no_room(1))
        assert await served(app, REQUESTS) == [b"as ever"] * REQUESTS
        with pytest.raises(StoreUnavailable, match="database or disk is full"):
            await board.samples.flush()
        assert LIMIT - MAX_BATCH <= board.samples.unwritten <= LIMIT
        assert board.samples.unwritten + board.samples.dropped == REQUESTS
        ready = await board.health.ready()
        assert not ready["store"].ok
        assert ready["samples"].detail == f"{board.samples.dropped} dropped since the start"
        await store._writer.submit(no_room(100_000))
        await board.samples.flush()
        assert board.samples.unwritten == 0
        await board.rollups.catch_up()
        assert (await board.metrics()).requests_total == REQUESTS - board.samples.dropped


async def test_over_a_file_that_is_gone_what_is_shipped_waits_until_it_is_back(
    tmp_path: Path,
) -> None:
    path, away = tmp_path / "ops.db", tmp_path / "away"
    url = f"sqlite:///{path}"
    carriers: list[BoardCarrier] = []

    def carrier() -> BoardCarrier:
        carriers.append(BoardCarrier(lambda: opsboard.open(url)))
        return carriers[-1]

    shipper = Shipper(carrier, max_samples=LIMIT, every_seconds=0.01, random=lambda: 0.0)
    app = opsboard.LatencyMiddleware(answering, service="shop", to=shipper)
    assert await served(app, 1) == [b"as ever"]
    await until(lambda: not shipper.unsent)
    path.rename(away)
    assert await served(app, REQUESTS) == [b"as ever"] * REQUESTS
    assert 0 < shipper.unsent <= LIMIT + MAX_BATCH
    kept = shipper.unsent
    away.rename(path)
    await until(lambda: not shipper.unsent)
    await asyncio.to_thread(shipper.close)
    async with opsboard.open(url) as board:
        rows = (await board.metrics(service="shop")).requests
        assert sum(row.count for row in rows) == 1 + kept
