"""The metrics engine as a whole, compared with a replay in a few slow lines; on every store."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.rebuild import rebuild
from opsboard.application.verify import verify
from opsboard.domain.cumulative import CumulativePoint
from opsboard.domain.entry import Stream
from opsboard.domain.histogram_batch import HistogramBatch
from opsboard.domain.measured import MeasuredHistogram
from opsboard.domain.retention import DAY_NS, Retention
from opsboard.domain.sample import RequestSample, SeriesKey
from opsboard.domain.tier import Tier

from ...fakes import SECOND_NS, START_NS, CountingIds, ManualClock, measured, observe, sample
from ...tries import tries
from .naive import Asked, Log, check

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
KEEP = Retention(None, None, None, None)
MIDNIGHT_NS = START_NS - 9 * HOUR_NS
KEYS = [
    SeriesKey(service, route, method, status)
    for service, route in (("shop", "/cart/{id}"), ("shop", "/pay"), ("api", "/"))
    for method in ("GET", "POST")
    for status in (200, 503)
]


class Engine:
    """A board over a store, without its background work, that can be closed and opened again."""

    def __init__(self, clock: ManualClock, make: Callable[[], Store]) -> None:
        self.clock = clock
        self.log = Log()
        self.retention = KEEP
        self._make = make
        self._opened = AsyncExitStack()
        self._ids = CountingIds()

    async def open(self) -> Opsboard:
        store = await self._opened.enter_async_context(self._make().opened())
        self.board = Opsboard(store, self.clock, self._ids, retention=self.retention)
        await self.board.rollups.start()
        return self.board

    async def close(self) -> None:
        await self._opened.aclose()

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def record(self, *samples: RequestSample) -> None:
        self.log.record(self.clock.now(), samples)
        await self.board.record_samples(samples)

    async def observe(self, *samples: RequestSample) -> None:
        self.log.record(self.clock.now(), samples)
        observe(self.board, *samples)
        await self.board.samples.flush()

    async def measure(self, *groups: Sequence[RequestSample]) -> None:
        """Each group of samples as one histogram of the first one's series and end."""
        told = [
            RequestSample(group[0].series, each.latency_ns, group[0].ended_at)
            for group in groups
            for each in group
        ]
        self.log.record(self.clock.now(), told)
        batch = HistogramBatch.of(
            [measured(g[0].series, [s.latency_ns for s in g], g[0].ended_at) for g in groups]
        )
        await self.board.store.journal.append(Stream.SAMPLES, [batch])

    async def save(self) -> None:
        await self.board.rollups.catch_up()
        await self.board.rollups.save()

    async def ask(self, asked: Asked = Asked()) -> None:  # noqa: B008 - it is a tuple
        snapshot = await self.board.metrics(**asked.words())
        check(snapshot, self.log.found(asked, self.clock.now()))

    async def verify(self) -> None:
        assert [difference async for difference in verify(self.board.store)] == []


@pytest.fixture(params=["memory", "sqlite"])
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Engine]:
    memory = MemoryStore(clock)

    def make() -> Store:
        if request.param == "memory":
            return memory
        return SqliteStore(tmp_path / "ops.db", clock)

    made = Engine(clock, make)
    await made.open()
    yield made
    await made.close()


class Dice:
    """Chance, of the kind that a day at work brings."""

    def __init__(self, seed: int) -> None:
        self.of = random.Random(seed)

    def sample(self, now: int) -> RequestSample:
        late = self.of.choice(
            [
                self.of.randrange(2 * SECOND_NS),
                self.of.randrange(3 * MINUTE_NS),
                self.of.randrange(5 * HOUR_NS),
                self.of.randrange(40 * HOUR_NS),
                -self.of.randrange(HOUR_NS),
            ]
        )
        latency = self.of.choice([0, 1, int(self.of.lognormvariate(16, 2)), 1_000_000])
        return RequestSample(self.of.choice(KEYS), min(latency, 86_400 * SECOND_NS), now - late)

    def samples(self, now: int) -> list[RequestSample]:
        return [self.sample(now) for _ in range(self.of.randrange(1, 12))]

    def moment(self, now: int, log: Log) -> int:
        """Somewhere, on a bound of a span, or at a sample's end."""
        near = now - self.of.randrange(-HOUR_NS, 45 * HOUR_NS)
        ends = [each.ended_at for _, samples in log.entries for each in samples] or [now]
        return self.of.choice(
            [
                near,
                near // MINUTE_NS * MINUTE_NS,
                near // HOUR_NS * HOUR_NS,
                near // (24 * HOUR_NS) * 24 * HOUR_NS,
                self.of.choice(ends),
                self.of.choice(ends) // 1_000_000 * 1_000_000,
                self.of.choice(ends) // 1_000_000 * 1_000_000 + 1_000_000,
            ]
        )

    async def do_something(self, engine: "Engine") -> None:
        (doing,) = self.of.choices(
            ["record", "advance", "jump ahead", "jump back", "save", "reopen", "ask"],
            [55, 20, 2, 2, 12, 3, 15],
        )
        clock = engine.clock
        match doing:
            case "record":
                await self.record_something(engine)
            case "advance":
                clock.advance(self.of.choice([1, 10**6, SECOND_NS, 5 * MINUTE_NS, HOUR_NS]))
            case "jump ahead":
                clock.advance(26 * HOUR_NS)
            case "jump back":
                clock.time -= HOUR_NS
            case "save":
                await engine.save()
            case "reopen":
                await engine.reopen()
            case _:
                await engine.ask(self.asked(clock.now(), engine.log))

    async def record_something(self, engine: "Engine") -> None:
        now = engine.clock.now()
        (how,) = self.of.choices(["record", "observe", "measure"], [30, 10, 15])
        if how == "measure":
            await engine.measure(*(self.samples(now) for _ in range(self.of.randrange(1, 4))))
        else:
            await getattr(engine, how)(*self.samples(now))

    def asked(self, now: int, log: Log) -> Asked:
        service, route, method = (
            self.of.choice([None, None, None, name]) for name in ("shop", "/pay", "GET")
        )
        as_of = None
        if self.of.random() < 0.5:
            recorded = self.of.choice([*log.moments, now])
            as_of = recorded + self.of.choice([0, -1, 1, self.of.randrange(HOUR_NS)])
        since, until = sorted(self.moment(now, log) for _ in range(2))
        window = self.of.choice(
            [
                {},
                {"since": since},
                {"until": until},
                {"since": since, "until": until + 1},
                {"last": self.of.choice([1, 60, 90, 3_600, 90_000, 200_000]) * SECOND_NS},
            ]
        )
        return Asked(service, route, method, as_of=as_of, **window)


@pytest.mark.parametrize("seed", range(tries(5)))
async def test_any_history_is_answered_as_a_replay_answers_it(engine: Engine, seed: int) -> None:
    dice, clock = Dice(seed), engine.clock
    for _ in range(120):
        await dice.do_something(engine)
    await engine.record(*dice.samples(clock.now()))
    questions = [Asked(), *(dice.asked(clock.now(), engine.log) for _ in range(40))]
    for prepare in (engine.save, engine.reopen):
        for asked in questions:
            await engine.ask(asked)
        await prepare()
    await engine.ask()
    await engine.verify()


async def test_as_of_each_moment_is_what_was_recorded_by_then(engine: Engine) -> None:
    dice, clock = Dice(99), engine.clock
    for round_ in range(20):
        await engine.record(*dice.samples(clock.now()))
        clock.advance(dice.of.choice([0, 1, 999_999, SECOND_NS, HOUR_NS, -MINUTE_NS]))
        if round_ % 4 == 2:
            await engine.save()
    for _ in range(2):
        for moment in engine.log.moments:
            for as_of in (moment - 1, moment, moment + 1):
                await engine.ask(Asked(as_of=as_of))
        await engine.ask(Asked(as_of=START_NS - 1))
        await engine.ask(Asked(as_of=clock.now() + 40 * HOUR_NS))
        await engine.reopen()


async def stored(engine: Engine, tier: Tier) -> list[tuple[int, int]]:
    """Start in hours since midnight, and count, of each rollup."""
    rollups = engine.board.store.rollups
    found = await rollups.stored(tier, await rollups.starts(tier))
    return [
        ((each.start_ms * 1_000_000 - MIDNIGHT_NS) // HOUR_NS, int(each.rollups.count.sum()))
        for each in found
    ]


def at(hour: float) -> RequestSample:
    return sample(ended_at=MIDNIGHT_NS + int(hour * HOUR_NS))


async def test_an_hour_is_rolled_up_two_minutes_after_its_end(engine: Engine) -> None:
    clock = engine.clock
    clock.time = MIDNIGHT_NS + 9 * HOUR_NS
    await engine.record(at(8.5), at(8.9), at(9))
    await engine.save()
    assert await stored(engine, Tier.HOUR) == []
    clock.advance(2 * MINUTE_NS - 1)
    await engine.save()
    assert await stored(engine, Tier.HOUR) == []
    clock.advance(1)
    await engine.save()
    assert await stored(engine, Tier.HOUR) == [(8, 2)]
    clock.advance(HOUR_NS)
    await engine.save()
    assert await stored(engine, Tier.HOUR) == [(8, 2), (9, 1)]
    assert await stored(engine, Tier.DAY) == []
    await engine.verify()


async def test_late_samples_land_in_the_hours_and_days_that_are_closed(engine: Engine) -> None:
    clock = engine.clock
    await engine.record(at(8.5), at(9), at(20))
    clock.time = MIDNIGHT_NS + 25 * HOUR_NS
    await engine.save()
    assert await stored(engine, Tier.HOUR) == [(8, 1), (9, 1), (20, 1)]
    assert await stored(engine, Tier.DAY) == [(0, 3)]
    await engine.record(at(8.6), at(8.5), at(11.25))
    await engine.ask(Asked(until=MIDNIGHT_NS + 24 * HOUR_NS))
    await engine.save()
    assert await stored(engine, Tier.HOUR) == [(8, 3), (9, 1), (11, 1), (20, 1)]
    assert await stored(engine, Tier.DAY) == [(0, 6)]
    for _ in range(2):
        await engine.ask(Asked(until=MIDNIGHT_NS + 24 * HOUR_NS))
        await engine.ask(Asked(since=MIDNIGHT_NS + 8 * HOUR_NS, until=MIDNIGHT_NS + 9 * HOUR_NS))
        await engine.ask(Asked(as_of=engine.log.moments[0]))
        await engine.verify()
        await engine.reopen()


async def test_spans_left_open_at_the_end_are_closed_after_the_next_start(engine: Engine) -> None:
    await engine.record(at(8.5), at(9))
    await engine.save()
    engine.clock.time = MIDNIGHT_NS + 50 * HOUR_NS
    await engine.reopen()
    await engine.save()
    assert await stored(engine, Tier.HOUR) == [(8, 1), (9, 1)]
    assert await stored(engine, Tier.DAY) == [(0, 2)]
    await engine.verify()


async def test_a_clock_that_was_a_day_ahead_closes_nothing_wrongly(engine: Engine) -> None:
    clock = engine.clock
    clock.advance(24 * HOUR_NS)
    await engine.record(at(33))
    await engine.save()
    clock.advance(-24 * HOUR_NS)
    await engine.record(at(9), at(9.1))
    await engine.save()
    await engine.record(at(9.1), at(9.2))
    await engine.save()
    for asked in (Asked(), Asked(last=HOUR_NS), Asked(since=MIDNIGHT_NS + 9 * HOUR_NS)):
        await engine.ask(asked)
    await engine.verify()


async def test_a_thousand_series_and_many_entries(engine: Engine) -> None:
    dice = random.Random(1)
    for _ in range(70):
        await engine.record(
            *(
                sample(f"/{dice.randrange(1_000)}", ms=dice.expovariate(0.1), ended_at=START_NS)
                for _ in range(20)
            )
        )
    await engine.ask()
    await engine.ask(Asked(last=HOUR_NS))
    await engine.save()
    await engine.reopen()
    await engine.ask(Asked(route="/7"))
    await engine.ask(Asked(until=START_NS + 1))
    await engine.ask(Asked(until=START_NS))
    await engine.verify()


async def test_rebuilding_keeps_the_hours_that_late_samples_share_with_expired_minutes(
    engine: Engine,
) -> None:
    """Minutes that are kept hardly longer than samples go while a late entry is still there."""
    keep = Retention(raw=7 * DAY_NS, minutes=8 * DAY_NS, hours=20 * DAY_NS, events=None)
    keep.check()
    clock = engine.clock
    engine.retention = keep
    await engine.reopen()

    async def a_while_later(ns: int) -> None:
        clock.advance(ns)
        await engine.save()
        await engine.board.retainer.remove_due()

    await engine.record(at(9), at(9.1))
    await a_while_later(7 * DAY_NS - HOUR_NS)
    await engine.record(at(9.2))
    await a_while_later(2 * DAY_NS)
    await engine.ask()
    await engine.verify()
    async for _ in rebuild(engine.board.store, clock):
        pass
    await engine.reopen()
    await engine.ask()
    await engine.verify()
    await a_while_later(30 * DAY_NS)
    await engine.ask()
    await engine.verify()


async def test_after_a_crash_and_a_long_stop_nothing_expires_that_is_not_rolled_up_yet(
    engine: Engine,
) -> None:
    """The last entries were never saved, and share an hour with minutes that are due by now."""
    engine.retention = Retention(raw=DAY_NS, minutes=2 * DAY_NS, hours=20 * DAY_NS, events=None)
    await engine.reopen()
    await engine.record(at(9))
    await engine.save()
    engine.clock.advance(3 * HOUR_NS)
    await engine.save()
    await engine.record(at(9.5))
    engine.clock.advance(5 * DAY_NS)
    await engine.reopen()
    engine.clock.advance(HOUR_NS)
    assert await engine.board.retainer.remove_due() > 0
    await engine.save()
    await engine.ask()
    await engine.verify()
    async for _ in rebuild(engine.board.store, engine.clock):
        pass
    await engine.reopen()
    await engine.ask()
    await engine.verify()


async def test_a_histogram_counts_whole_in_the_minute_in_which_it_ended(engine: Engine) -> None:
    end = MIDNIGHT_NS + 9 * HOUR_NS + 30 * SECOND_NS
    inside = [sample(ms=ms, ended_at=end) for ms in (1, 2, 1_000)]
    await engine.measure(inside, [sample("/pay", ms=3, ended_at=end - MINUTE_NS)])
    await engine.record(sample(ms=4, ended_at=end - SECOND_NS))
    for _ in range(2):
        for since, until, count in (
            (end, end + 1_000_000, 3),
            (end + 1_000_000, None, 0),
            (end - SECOND_NS, end, 1),
            (end - 40 * SECOND_NS, end + 1_000_000, 4),
            (None, end, 2),
        ):
            asked = Asked(since=since, until=until)
            await engine.ask(asked)
            assert (await engine.board.metrics(**asked.words())).requests_total == count
        await engine.save()
        await engine.reopen()
    await engine.verify()


async def test_histograms_stand_in_charts_and_in_the_lists(engine: Engine) -> None:
    clock = engine.clock
    clock.time = MIDNIGHT_NS + 10 * HOUR_NS
    await engine.record(sample(ms=4, ended_at=clock.now() - MINUTE_NS))
    await engine.measure(
        [sample("/pay", ms=ms, ended_at=clock.now() - 10 * SECOND_NS) for ms in (1, 1, 900)],
        [sample("/pay", ms=2, ended_at=clock.now() - 2 * HOUR_NS)],
    )
    queries = engine.board.metrics_queries
    for _ in range(2):
        for step, last, count in (("10s", "30m", 3), ("1m", "3h", 4), ("1h", "3h", 4)):
            question = queries.question(last=last)
            found = await engine.board.series_queries.series(question, step, "route")
            assert {g.labels["route"]: sum(g.count) for g in found.groups} == {
                "/cart/{id}": 1,
                "/pay": count,
            }
            heat = await engine.board.series_queries.heatmap(question)
            assert sum(map(sum, heat.counts)) == count + 1
        routes = await engine.board.catalogue.routes()
        assert [(r.route, r.first_seen, r.last_seen) for r in routes] == [
            ("/cart/{id}", "2026-01-31T09:59:00.000Z", "2026-01-31T09:59:00.000Z"),
            ("/pay", "2026-01-31T08:00:00.000Z", "2026-01-31T09:59:50.000Z"),
        ]
        (service,) = await engine.board.catalogue.services()
        assert (service.routes, service.first_seen) == (2, "2026-01-31T08:00:00.000Z")
        await engine.save()
        await engine.reopen()


async def test_where_counters_stand_outlasts_all_that_read_models_go_through(
    engine: Engine,
) -> None:
    def point(name: bytes, time_ns: int, count: int) -> CumulativePoint:
        histogram = MeasuredHistogram(count, count, {0: count}, bounds=(1.0,))
        return CumulativePoint(name * 16, time_ns, histogram)

    async def known() -> set[tuple[bytes, int]]:
        await engine.board.rollups.catch_up()
        points = engine.board.rollups.streams.points()
        return {(each.stream[:1], each.histogram.count) for each in points}

    now = engine.clock.now()
    journal = engine.board.store.journal
    await journal.append(Stream.SAMPLES, [HistogramBatch.of([], [point(b"a", now, 1)])])
    await journal.append(
        Stream.SAMPLES, [HistogramBatch.of([], [point(b"a", now + 2, 3), point(b"b", now, 9)])]
    )
    assert await known() == {(b"a", 3), (b"b", 9)}
    await engine.save()
    journal = engine.board.store.journal
    await journal.append(Stream.SAMPLES, [HistogramBatch.of([], [point(b"b", now + 3, 10)])])
    for _ in range(2):
        assert await known() == {(b"a", 3), (b"b", 10)}
        await engine.reopen()
        assert await known() == {(b"a", 3), (b"b", 10)}
        async for _step in rebuild(engine.board.store, engine.clock):
            pass
        await engine.reopen()
    await engine.verify()
    engine.clock.advance(2 * DAY_NS + 3)
    await engine.record(sample(ended_at=engine.clock.now()))
    await engine.save()
    await engine.reopen()
    assert await known() == {(b"b", 10)}
