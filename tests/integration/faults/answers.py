"""A small store with something of everything in it, and every answer that it gives."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.query_events import event_filter
from opsboard.domain.entry import Stream
from opsboard.domain.exception_event import exception_event
from opsboard.domain.histogram_batch import HistogramBatch
from opsboard.domain.retention import DAY_NS, Retention

from ...fakes import SECOND_NS, CountingIds, ManualClock, measured, sample

KEPT = Retention(raw=2 * DAY_NS, minutes=3 * DAY_NS, hours=20 * DAY_NS, events=2 * DAY_NS)
DAYS = 5
TRACE = 'Traceback (most recent call last):\n  File "shop/cart.py", line {0}, in add\nE: {0}'
EVENTS = [event_filter(), *(event_filter(q=word) for word in ("round", "zahlung", "day3"))]
FILTERED = [event_filter(level="ERROR"), event_filter(service="shop"), event_filter(type="DEPLOY")]

_json = msgspec.json.Encoder(order="deterministic")


async def make(path: Path) -> int:
    """Five days, of which retention removed two; the time (ns) at which the last one ends."""
    clock = ManualClock()
    board = Opsboard(SqliteStore(path, clock), clock, CountingIds(), retention=KEPT)
    async with board:
        for day in range(DAYS):
            await _record_a_day(board, clock, day)
            for projection in board.projections.values():
                await projection.catch_up()
                await projection.save()
            clock.advance(DAY_NS)
            await board.retainer.remove_due()
    return clock.now()


async def _record_a_day(board: Opsboard, clock: ManualClock, day: int) -> None:
    now = clock.now()
    for part in range(2):
        ends = [now - (7 * i + part) * SECOND_NS for i in range(20)]
        await board.record_samples(
            [sample(f"/{i % 3}", ms=1 + i, ended_at=end) for i, end in enumerate(ends)]
        )
    await board.record_samples([sample("/late", ended_at=now - DAY_NS)])
    histogram = measured(sample("/measured").series, [10**6, 2 * 10**6], now)
    await board.store.journal.append(Stream.SAMPLES, [HistogramBatch.of([histogram], [])])
    for number in range(3):
        await board.record_event(
            f"round {number} zahlung day{day}", service="shop", key=f"{day}-{number}"
        )
    await board.record_event("v1", type="DEPLOY", service="shop", meta={"version": f"{day}"})
    failed = exception_event("E", f"{day % 2}", TRACE.format(day % 2), service="shop")
    await board.record_event(**failed)


async def answers(board: Opsboard) -> list[object]:
    """Every answer, as JSON; None in the place of one that is refused."""
    questions: list[Callable[[], Awaitable[Any]]] = [
        board.metrics,
        lambda: board.metrics(last="3d"),
        lambda: board.metrics(last="26h", route="/1"),
        lambda: board.metrics(as_of="2026-02-03T12:00:00Z"),
        lambda: board.metrics(since="2026-02-02T08:58:30Z", until="2026-02-02T08:59:07Z"),
        lambda: board.series_queries.series(board.metrics_queries.question(last="4d"), "1h"),
        board.catalogue.services,
        board.catalogue.routes,
        *(lambda each=each: board.event_queries.search(each) for each in EVENTS + FILTERED),
        *(lambda each=each: board.event_queries.summarise(each) for each in FILTERED),
        *(lambda id=id: board.event_queries.get(id) for id in (15, 25)),
    ]
    return [str(board.retainer.retention), *[await _answer(question) for question in questions]]


async def _answer(question: Callable[[], Awaitable[Any]]) -> object:
    try:
        return _json.encode(await question())
    except Exception:  # noqa: BLE001 - a 500 too is no wrong number in silence
        return None
