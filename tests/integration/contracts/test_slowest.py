"""The slowest requests, against sorting all of them; on every store."""

import random

import pytest
from opsboard.application import query_slowest
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.query_slowest import SlowSample
from opsboard.domain.entry import Stream
from opsboard.domain.instant import format_instant
from opsboard.domain.retention import Retention
from opsboard.domain.sample import RequestSample
from opsboard.domain.validation import InvalidInput

from ...fakes import SECOND_NS, START_NS, CountingIds, ManualClock, sample

MINUTE_NS = 60 * SECOND_NS
DAY_NS = 1440 * MINUTE_NS


@pytest.fixture
async def board(store: Store, clock: ManualClock) -> Opsboard:
    made = Opsboard(store, clock, CountingIds())
    await made.rollups.start()
    return made


def some(dice: random.Random, count: int, span_ns: int) -> list[RequestSample]:
    return [
        sample(
            dice.choice(["/a", "/b"]),
            method=dice.choice(["GET", "POST"]),
            status=dice.choice([200, 503]),
            service=dice.choice(["shop", "api"]),
            ms=round(dice.lognormvariate(3, 1), 3),
            ended_at=START_NS - dice.randrange(span_ns) // 1_000_000 * 1_000_000,
        )
        for _ in range(count)
    ]


def sorted_out(samples: list[RequestSample], limit: int) -> list[tuple[str, float]]:
    rows = sorted(((s.latency_ns, s.ended_at) for s in samples), reverse=True)
    return [(format_instant(ended_at), round(ns / 1e6, 6)) for ns, ended_at in rows[:limit]]


def found(samples: list[SlowSample]) -> list[tuple[str, float]]:
    return [(each.ts, each.latency_ms) for each in samples]


@pytest.mark.parametrize("span_ns", [30 * MINUTE_NS, 300 * MINUTE_NS, 4 * DAY_NS])
async def test_they_are_those_that_sorting_finds(
    board: Opsboard, clock: ManualClock, span_ns: int
) -> None:
    dice = random.Random(span_ns)
    stored, pending = some(dice, 600, span_ns), some(dice, 60, span_ns)
    for at in range(0, 600, 100):
        await board.record_samples(stored[at : at + 100])
        await board.rollups.catch_up()
        await board.rollups.save()
    await board.record_samples(pending)
    everything = [*stored, *pending]
    ask, slowest = board.metrics_queries.question, board.slowest_queries.slowest
    last = f"{span_ns // SECOND_NS}s"
    for limit in (1, 7, 100):
        assert found(await slowest(ask(last=last), limit=limit)) == sorted_out(everything, limit)
    narrow = [
        s for s in everything if s.series[:2] == ("shop", "/a") and s.series.status_code == 503
    ]
    asked = ask(last=last, service="shop", route="/a")
    answer = await slowest(asked, status_code=503, limit=20)
    assert found(answer) == sorted_out(narrow, 20)
    assert {(s.service, s.route, s.status_code) for s in answer} == {("shop", "/a", 503)}
    since, until = START_NS - span_ns // 2, START_NS - span_ns // 5
    within = [s for s in everything if since <= s.ended_at < until]
    asked = ask(since=format_instant(since), until=format_instant(until))
    assert found(await slowest(asked)) == sorted_out(within, 10)


async def test_only_the_minutes_that_matter_are_read(
    board: Opsboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(60):
        at = START_NS - minute * MINUTE_NS
        await board.record_samples([sample(ms=1 + minute, ended_at=at)] * 3)
    read: list[int] = []
    journal = board.store.journal
    original = journal.read

    def counting(stream: Stream, after: int = 0, until: int | None = None) -> object:
        if stream is Stream.SAMPLES and until is not None:
            read.extend(range(after, until))
        return original(stream, after, until)

    monkeypatch.setattr(journal, "read", counting)
    asked = board.metrics_queries.question(last="2h")
    answer = await board.slowest_queries.slowest(asked, limit=4)
    assert [each.latency_ms for each in answer] == [60.0, 60.0, 60.0, 59.0]
    # The minutes at both ends of the window are not whole: the question itself reads those.
    assert len(read) <= 4


async def test_the_last_hour_is_meant_and_nothing_is_no_error(
    board: Opsboard, clock: ManualClock
) -> None:
    ask, slowest = board.metrics_queries.question, board.slowest_queries.slowest
    assert await slowest(ask()) == []
    await board.record_samples([sample(ms=5), sample(ms=9, ended_at=START_NS - 61 * MINUTE_NS)])
    assert [each.latency_ms for each in await slowest(ask())] == [5.0]
    assert await slowest(ask(service="nobody")) == []
    assert await slowest(ask(since="2026-02-03T09:30:00Z")) == []
    for limit in (0, query_slowest.MAX_SAMPLES + 1):
        with pytest.raises(InvalidInput):
            await slowest(ask(), limit=limit)


async def test_what_retention_removed_is_not_listed(store: Store, clock: ManualClock) -> None:
    board = Opsboard(store, clock, CountingIds(), retention=Retention(raw=2 * DAY_NS))
    await board.retainer.load()
    await board.rollups.start()
    await board.record_samples([sample(ms=90)])
    for _ in range(3):
        clock.advance(DAY_NS)
        await board.record_samples([sample(ms=5, ended_at=clock.now())])
    await board.rollups.catch_up()
    await board.rollups.save()
    await board.retainer.remove_due()
    assert (await store.journal.cut(Stream.SAMPLES)).number == 2
    answer = await board.slowest_queries.slowest(board.metrics_queries.question(last="30d"))
    assert [each.latency_ms for each in answer] == [5.0, 5.0]
