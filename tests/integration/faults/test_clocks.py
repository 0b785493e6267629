"""Clocks that are set back or ahead, change their zone, or leap: order and totals hold."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.record_histograms import SentHistogram
from opsboard.application.verify import verify
from opsboard.domain.entry import IdempotencyKey, Stream
from opsboard.domain.instant import format_instant, parse_instant
from opsboard.domain.measured import MeasuredHistogram
from opsboard.domain.retention import DAY_NS, Retention
from opsboard.domain.sample import SeriesKey
from opsboard.domain.tier import Tier

from ...fakes import SECOND_NS, CountingIds, ManualClock, entries, sample
from ..conftest import Reopened
from ..server import TOKEN, serving

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
YEAR_NS = 365 * DAY_NS
KEPT = Retention(raw=2 * DAY_NS, minutes=4 * DAY_NS, hours=8 * DAY_NS, events=3 * DAY_NS)


class Process:
    """A process over the store, with retention each minute."""

    def __init__(self, board: Opsboard, clock: ManualClock) -> None:
        self.board = board
        self.clock = clock
        self.requests = 0

    async def work(self, minutes: int, every: int = 1) -> None:
        """Two requests and an event each time, folded and saved, and what is due removed."""
        for _ in range(0, minutes, every):
            now = self.clock.now()
            await self.board.record_samples([sample(ended_at=now), sample("/b", ended_at=now)])
            self.requests += 2
            await self.board.record_event("done", service="shop")
            for projection in self.board.projections.values():
                await projection.catch_up()
                await projection.save()
            await self.board.retainer.remove_due()
            self.clock.advance(every * MINUTE_NS)

    async def kept(self) -> dict[str, Any]:
        """How much there is of each kind, and whether it adds up."""
        store = self.board.store
        assert [fault async for fault in verify(store)] == []
        assert (await self.board.metrics()).requests_total == self.requests
        sizes = {stream: (await store.journal.size(stream))[0] for stream in Stream}
        return sizes | {tier.name: len(await store.rollups.starts(tier)) for tier in Tier}


def over(store: Store, clock: ManualClock, first_id: int = 0) -> Opsboard:
    ids = CountingIds()
    ids.given = first_id
    return Opsboard(store, clock, ids, retention=KEPT)


async def loaded(store: Store, clock: ManualClock) -> Process:
    board = over(store, clock)
    await board._load()
    return Process(board, clock)


@pytest.mark.parametrize("jump", [-HOUR_NS, YEAR_NS, -YEAR_NS, HOUR_NS])
async def test_what_is_recorded_keeps_its_order_and_counts_once(
    reopened: Reopened, clock: ManualClock, jump: int
) -> None:
    async with reopened().opened() as store:
        process = await loaded(store, clock)
        await process.work(minutes=3)
        before = await process.board.record_event("before", key="a-key")
        clock.time += jump
        await process.work(minutes=3)
        if jump < DAY_NS:
            assert await process.board.record_event("before", key="a-key") == before
        clock.time -= jump
        await process.work(minutes=3)
        for stream in (Stream.SAMPLES, Stream.EVENTS):
            recorded = await entries(store.journal, stream)
            assert [r.number for r in recorded] == list(range(1, len(recorded) + 1))
            times = [r.recorded_at for r in recorded]
            assert times == sorted(times)
        found = (await process.board.event_queries.search(limit=500)).events
        assert [event.id for event in found] == list(range(10, 0, -1))
        assert (await process.board.metrics()).requests_total == 18
        assert [fault async for fault in verify(store)] == []


async def test_a_clock_that_is_a_year_ahead_for_less_than_an_hour_removes_nothing(
    reopened: Reopened, clock: ManualClock
) -> None:
    async with reopened().opened() as store:
        process = await loaded(store, clock)
        await process.work(minutes=600, every=30)
        before = await process.kept()
        clock.time += YEAR_NS
        await process.work(minutes=20)
        again = await loaded(store, clock)
        again.requests = process.requests
        await again.work(minutes=20)
        process.requests = again.requests
        await process.work(minutes=10)
        clock.time -= YEAR_NS
        await process.work(minutes=10)
        after = await process.kept()
        added = {"samples": 60, "events": 60}
        assert {n: count for n, count in after.items() if n in added} == {
            name: before[name] + count for name, count in added.items()
        }
        assert all(after[tier.name] >= before[tier.name] for tier in Tier)


async def test_a_clock_that_stays_where_it_was_set_is_believed_after_an_hour(
    reopened: Reopened, clock: ManualClock
) -> None:
    async with reopened().opened() as store:
        process = await loaded(store, clock)
        await process.work(minutes=600, every=30)
        clock.time += YEAR_NS
        await process.work(minutes=70, every=10)
        kept = await process.kept()
        assert kept["samples"] == kept["events"] == 7
        assert kept["DAY"] == 0


async def test_once_a_clock_is_right_again_retention_goes_on(
    reopened: Reopened, clock: ManualClock
) -> None:
    """What was recorded before the jump goes in its time; what came after it waits for its year."""
    async with reopened().opened() as store:
        process = await loaded(store, clock)
        await process.work(minutes=600, every=30)
        clock.time += YEAR_NS
        await process.work(minutes=3)
        clock.time -= YEAR_NS
        await process.work(minutes=10 * 1_440, every=720)
        kept = await process.kept()
        assert kept["samples"] == kept["events"] == 3 + 20
        clock.advance(YEAR_NS + 4 * DAY_NS)
        await process.work(minutes=1)
        await process.work(minutes=1)
        kept = await process.kept()
        assert kept["samples"] == kept["events"] == 2


async def test_a_process_that_starts_after_a_long_stop_waits_an_hour(
    reopened: Reopened, clock: ManualClock
) -> None:
    """Whether the clock is ahead or time has passed can not be told apart at first."""
    async with reopened().opened() as store:
        process = await loaded(store, clock)
        await process.work(minutes=600, every=30)
        before = await process.kept()
    clock.advance(20 * DAY_NS)
    async with reopened().opened() as store:
        process = await loaded(store, clock)
        process.requests = 40
        assert await process.board.retainer.remove_due() == 0
        assert (await process.kept())["samples"] == before["samples"]
        clock.advance(HOUR_NS)
        assert await process.board.retainer.remove_due() > 0
        assert (await process.kept())["samples"] == 0


async def test_a_process_that_does_not_live_for_an_hour_removes_what_is_due(
    reopened: Reopened, clock: ManualClock
) -> None:
    requests = 0
    for _ in range(60):
        async with reopened().opened() as store:
            process = await loaded(store, clock)
            process.requests = requests
            await process.work(minutes=2)
            requests = process.requests
            clock.advance(3 * HOUR_NS)
            kept = await process.kept()
    assert kept["samples"] == 32


async def test_a_counter_of_which_a_wrong_clock_knew_nothing_counts_once(
    reopened: Reopened, clock: ManualClock
) -> None:
    """Forgotten a year ahead, it would count from its start when the clock is right again."""

    def point(count: int) -> list[SentHistogram]:
        key = SeriesKey("measured", "/", "GET", 200)
        histogram = MeasuredHistogram(count, count * 10**7, {1: count}, bounds=(0.005, 0.05))
        return [SentHistogram(key, started, clock.now(), histogram, b"a-counter-of-one")]

    async def export(count: int) -> int:
        name = f"{count}"
        key = IdempotencyKey(name, name.encode())
        assert await board.histograms.record(point(count), key, Counter()) == {}
        await board.rollups.catch_up()
        await board.rollups.save()
        return (await board.metrics()).requests_total

    started = clock.now()
    async with reopened().opened() as store:
        board = over(store, clock)
        await board._load()
        clock.advance(2 * HOUR_NS)
        assert await export(100) == 100
        clock.time += YEAR_NS
        await board.record_samples([sample(ended_at=clock.now())])
        await board.rollups.catch_up()
        await board.rollups.save()
        clock.time -= YEAR_NS
        clock.advance(MINUTE_NS)
        assert await export(110) == 111


async def test_a_key_stands_for_what_it_was_used_for_last(
    reopened: Reopened, clock: ManualClock
) -> None:
    """After a day it may be used for something else; a clock set back makes both uses recent."""
    async with reopened().opened() as store:
        board = over(store, clock)
        await board.record_event("first", key="a-key")
        await board.record_event("between")
        clock.advance(2 * DAY_NS)
        last = await board.record_event("last", key="a-key")
        clock.time -= 2 * DAY_NS
        assert await board.record_event("last", key="a-key") == last
        assert (await board.record_event("after")).id == 4


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


CHANGES = ["2026-03-29T00:30:00Z", "2026-10-25T00:30:00Z"]
"""Half an hour before Central European clocks go ahead, and back."""


@pytest.mark.parametrize("start", CHANGES)
async def test_a_change_of_the_hosts_zone_changes_no_answer(
    tmp_path: Path, in_zone: Callable[[str], None], start: str
) -> None:
    answers: list[Sequence[Any]] = []
    for zone in ("UTC", "CET-1CEST,M3.5.0,M10.5.0/3"):
        in_zone(zone)
        clock = ManualClock(parse_instant(start, "start"))
        answers.append(await answered(SqliteStore(tmp_path / f"{len(answers)}.db", clock), clock))
    assert answers[0] == answers[1]
    counted = answers[0][0]
    assert counted.requests_total == 240


async def answered(store: SqliteStore, clock: ManualClock) -> Sequence[Any]:
    """Two hours of traffic over the change, and everything that has times in it."""
    async with store.opened():
        process = await loaded(store, clock)
        await process.work(minutes=120)
        board = process.board
        last = board.metrics_queries.question(last="3h")
        clock.elapsed = 0
        return [
            await board.metrics(last="2h"),
            await board.metrics(as_of=format_instant(clock.now() - HOUR_NS)),
            await board.series_queries.series(last, "10m"),
            await board.series_queries.heatmap(last, "1h"),
            await board.catalogue.services(),
            await board.event_queries.search(limit=500),
            await board.store.rollups.starts(Tier.HOUR),
        ]


def test_a_leap_second_is_taken_and_one_that_never_was_is_named(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ops.db'}", OPS_RETENTION="forever") as server:

        def post(*times: str) -> tuple[int, Any]:
            body = [
                {"route": "/", "method": "GET", "status_code": 200, "latency_ms": 1, "ts": ts}
                for ts in times
            ]
            answer = server.client.post("/samples", json=body, headers={"X-Ops-Token": TOKEN})
            return answer.status_code, answer.json()

        assert post("2016-12-31T23:59:59Z", "2016-12-31T23:59:60.5Z") == (200, {"accepted": 2})
        window = {"since": "2016-12-31T23:59:60Z", "until": "2017-01-01T00:00:01Z"}
        counted = server.client.get("/metrics", params=window | {"service": "api"}).json()
        assert counted["requests_total"] == 1
        status, problem = post("2016-12-31T23:59:59Z", "2016-12-31T12:00:60Z")
        assert status == 400
        assert problem["errors"][0]["pointer"] == "/1/ts"
        refused = server.client.get("/metrics", params={"since": "2016-12-31T12:00:60Z"})
        assert refused.status_code == 400
        assert "since" in refused.json()["detail"]
