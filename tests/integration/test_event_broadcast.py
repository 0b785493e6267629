"""Many who watch, some of whom are slow, on one reader of the journal."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from opsboard.adapters.http import event_broadcast
from opsboard.adapters.http.event_broadcast import (
    EventBroadcast,
    Pace,
    TooManyStreams,
    Watcher,
)
from opsboard.adapters.http.event_frames import MAX_BATCH_BYTES
from opsboard.adapters.http.event_stream import EventStream
from opsboard.application.errors import StoreUnavailable
from opsboard.application.event_feed import EventFeed
from opsboard.application.ports import Store
from opsboard.domain.entry import Stream
from opsboard.domain.event import EventFilter, OperationalEvent
from opsboard.entrypoints.protocol import Limits, bounded_by

from ..fakes import START_NS
from ..patience import patiently, until

EVERY = EventFilter()
FAST = Pace(calm_seconds=0, tick_seconds=0.01, heartbeat_seconds=3600)


@pytest.fixture
async def within() -> AsyncIterator[None]:
    async with patiently():
        yield


async def record(store: Store, count: int, level: str = "INFO", size: int = 1) -> None:
    await store.journal.append(
        Stream.EVENTS,
        [
            OperationalEvent.say(
                ts=START_NS, level=level, type="OPS", message="hi", meta={"x": "x" * size}
            )
            for _ in range(count)
        ],
    )


def ids_in(received: bytes) -> list[int]:
    return [
        json.loads(line.removeprefix(b"data: "))["id"]
        for line in received.split(b"\n")
        if line.startswith(b"data: ")
    ]


async def read(broadcast: EventBroadcast, watcher: Watcher, upto: int) -> list[int]:
    """The ids that come until the one is there."""
    found: list[int] = []
    async with patiently():
        while not found or found[-1] < upto:
            piece = await broadcast.next(watcher)
            assert piece is not None
            assert len(piece) < 2 * MAX_BATCH_BYTES
            found += ids_in(piece)
    return found


def broadcast_over(
    store: Store, pace: Pace = FAST, samples: Callable[[], int] = lambda: 0
) -> EventBroadcast:
    return EventBroadcast(EventFeed(store.journal), samples, pace)


async def test_all_watchers_get_all_in_order(store: Store) -> None:
    broadcast = broadcast_over(store)
    async with broadcast.watching(EVERY, None) as one, broadcast.watching(EVERY, None) as two:
        await record(store, 700)
        await record(store, 300)
        assert await read(broadcast, one, 1000) == list(range(1, 1001))
        assert await read(broadcast, two, 1000) == list(range(1, 1001))


async def test_who_falls_behind_what_is_kept_reads_on_from_the_journal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_broadcast, "KEPT_EVENTS", 300)
    broadcast = broadcast_over(store)
    total = 1_000
    async with broadcast.watching(EVERY, None) as slow, broadcast.watching(EVERY, None) as quick:
        await record(store, total)
        assert await read(broadcast, quick, total) == list(range(1, total + 1))
        assert slow.place < broadcast._start
        assert await read(broadcast, slow, total) == list(range(1, total + 1))
        await record(store, 1)
        assert await read(broadcast, slow, total + 1) == [total + 1]


async def test_long_events_are_kept_and_sent_in_bounds(store: Store) -> None:
    broadcast = broadcast_over(store)
    async with broadcast.watching(EVERY, None) as slow, broadcast.watching(EVERY, None) as quick:
        await record(store, 200, size=16_000)
        assert await read(broadcast, quick, 200) == list(range(1, 201))
        kept = sum(batch.bytes for batch in broadcast._kept)
        assert kept < event_broadcast.KEPT_BYTES + 2 * MAX_BATCH_BYTES
        assert await read(broadcast, slow, 200) == list(range(1, 201))


async def test_what_comes_too_fast_is_passed_by_for_new_watchers_and_for_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_broadcast, "MAX_LAG", 300)
    broadcast = broadcast_over(store)
    async with broadcast.watching(EVERY, None) as first:
        await record(store, 5_000)
        async with patiently():
            while broadcast._end < 5_000:
                await asyncio.sleep(0)
        kept_from = broadcast._start
        async with broadcast.watching(EVERY, None) as second:
            await record(store, 1)
            assert await read(broadcast, second, 5_001) == [5_001]
        assert await read(broadcast, first, 5_001) == list(range(1, 5_002))
    assert kept_from > 4_000, "it read through all of them"


async def test_a_heartbeat_moves_the_place_past_what_is_not_wanted(store: Store) -> None:
    pace = Pace(calm_seconds=0, tick_seconds=0.001, heartbeat_seconds=0)
    broadcast = broadcast_over(store, pace)
    async with broadcast.watching(EventFilter(level="ERROR"), None) as watcher:
        await record(store, 3)
        async with patiently():
            while (piece := await broadcast.next(watcher)) != b": still here\nid: 3\n\n":
                assert piece == b": still here\nid: 0\n\n"


async def test_a_tick_comes_when_samples_were_folded(store: Store) -> None:
    folded = 4
    broadcast = broadcast_over(store, samples=lambda: folded)
    await record(store, 2)
    async with broadcast.watching(EVERY, None, ticks=True) as watcher:
        folded = 7
        async with patiently():
            piece = await broadcast.next(watcher)
        assert piece == b'event: tick\ndata: {"samples":7,"events":2}\n\n'


async def test_a_store_that_fails_for_a_while_ends_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_broadcast, "STORE_RETRY_SECONDS", 0.001)

    class Feed(EventFeed):
        failures = 2

        async def follow(self, after: int) -> Any:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("not just now")
            async for page in super().follow(after):
                yield page

    broadcast = EventBroadcast(Feed(store.journal), lambda: 0, FAST)
    async with broadcast.watching(EVERY, None) as watcher:
        await record(store, 1)
        assert await read(broadcast, watcher, 1) == [1]


async def test_there_is_room_for_so_many(store: Store) -> None:
    broadcast = broadcast_over(store, Pace(max_streams=1))
    async with broadcast.watching(EVERY, None):
        with pytest.raises(TooManyStreams) as refused:
            async with broadcast.watching(EVERY, None):
                pass
        assert refused.value.status == 503
        assert refused.value.headers["retry-after"] == "5"
    async with broadcast.watching(EVERY, None):
        broadcast.end()
    with pytest.raises(TooManyStreams):
        async with broadcast.watching(EVERY, None):
            pass


async def test_nothing_runs_while_nobody_watches(store: Store) -> None:
    broadcast = broadcast_over(store)
    before = asyncio.all_tasks()
    async with broadcast.watching(EVERY, None):
        assert len(asyncio.all_tasks()) > len(before)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before
    await record(store, 2)
    async with broadcast.watching(EVERY, 1) as watcher:
        assert await read(broadcast, watcher, 2) == [2]


async def test_a_client_that_takes_nothing_is_let_go_of(store: Store) -> None:
    broadcast = broadcast_over(store)
    stream = EventStream(broadcast, EVERY, None, ticks=False, stalled_seconds=0.01)
    sent = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if len(sent) > 2:
            await asyncio.Event().wait()

    async with patiently():
        running = asyncio.create_task(stream({"method": "GET"}, receive, send))
        while len(sent) < 2:
            await asyncio.sleep(0)
        await record(store, 1)
        await running
    assert not broadcast._watchers


@asynccontextmanager
async def served(app: Any, limits: Limits) -> AsyncIterator[tuple[str, int]]:
    """The address of a server of this app in this process."""
    config = uvicorn.Config(
        app, http=bounded_by(limits), ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0)
        try:
            async with patiently():
                yield listener.getsockname()
        finally:
            server.should_exit = True
            await running


async def test_a_slow_reader_is_cut_off_and_resumes_where_it_was(store: Store) -> None:
    broadcast = broadcast_over(store)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        after = int(scope["query_string"] or 0)
        await EventStream(broadcast, EVERY, after, ticks=False)(scope, receive, send)

    total = 700
    async with served(app, Limits(stalled_seconds=0.2)) as (host, port):
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(b"GET /?0 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: broadcast._watchers)
        await record(store, total, size=16_000)
        await until(lambda: not broadcast._watchers)
        received = await _all_of(reader)
        writer.close()
        whole = received[: received.rindex(b"\n\n")]
        first = ids_in(whole)
        assert first == list(range(1, len(first) + 1))
        assert len(first) < total
    async with served(app, Limits()) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n" % first[-1])
        received = b""
        while b"id: %d\n" % total not in received:
            received += await reader.read(1 << 20)
        broadcast.end()
        writer.close()
    assert ids_in(received)[0] == first[-1] + 1
    assert b"id: %d\n" % first[-1] in received, "the greeting has the place that it resumes from"


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    """What arrived before the connection was cut."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(1 << 20):
            received += part
    return received
