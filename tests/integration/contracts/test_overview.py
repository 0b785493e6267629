"""The overview of services, on every store."""

import pytest
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.query_overview import Overview
from opsboard.domain.entry import Stream
from opsboard.domain.exception_event import exception_event
from opsboard.domain.histogram_batch import HistogramBatch
from opsboard.domain.instant import format_instant
from opsboard.domain.overview import Kind, State
from opsboard.domain.sample import SeriesKey
from opsboard.domain.validation import InvalidInput

from ...fakes import SECOND_NS, START_NS, CountingIds, ManualClock, measured, sample

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS


@pytest.fixture
async def board(store: Store, clock: ManualClock) -> Opsboard:
    made = Opsboard(store, clock, CountingIds())
    await made.rollups.start()
    return made


async def requests(
    board: Opsboard,
    service: str,
    since_ns: int,
    until_ns: int,
    *,
    every_ns: int = 2 * SECOND_NS,
    failing: int = 100,
    ms: float = 100,
    route: str = "/",
) -> None:
    """One every so many ns, of which each `failing`th fails."""
    await board.record_samples(
        [
            sample(
                route,
                service=service,
                status=503 if i % failing == failing // 2 else 200,
                ms=ms + i % 10,
                ended_at=at,
            )
            for i, at in enumerate(range(since_ns, until_ns, every_ns))
        ]
    )


async def overview(board: Opsboard, **asked: str) -> Overview:
    return await board.overview_queries.overview(board.metrics_queries.question(**asked))


@pytest.mark.parametrize("saved", [True, False])
async def test_services_in_the_window_and_before(
    board: Opsboard, clock: ManualClock, saved: bool
) -> None:
    hour_ago, two_ago = START_NS - HOUR_NS, START_NS - 2 * HOUR_NS
    await requests(board, "calm", two_ago + SECOND_NS, START_NS)
    await requests(board, "failing", two_ago + SECOND_NS, hour_ago + SECOND_NS)
    await requests(board, "failing", hour_ago + SECOND_NS, START_NS, failing=10)
    await requests(board, "slow", two_ago + SECOND_NS, hour_ago + SECOND_NS)
    await requests(board, "slow", hour_ago + SECOND_NS, START_NS, ms=250)
    await requests(board, "gone", two_ago + SECOND_NS, START_NS - 10 * MINUTE_NS)
    await requests(board, "quiet", START_NS - 90 * HOUR_NS, START_NS - 89 * HOUR_NS)
    await requests(board, "opsboard", hour_ago, START_NS, route="/events/stream", ms=80_000)
    if saved:
        await board.rollups.catch_up()
        await board.rollups.save()
    found = await overview(board, last="1h")
    assert (found.since, found.until, found.before_since) == (
        format_instant(hour_ago),
        format_instant(START_NS + 1_000_000),
        format_instant(two_ago - 1_000_000),
    )
    assert {each.service: each.state for each in found.services} == {
        "calm": State.OK,
        "failing": State.FAILING,
        "gone": State.GONE,
        "quiet": State.QUIET,
        "slow": State.OK,
    }
    assert [(each.kind, each.service, each.text) for each in found.attention] == [
        (Kind.TRAFFIC_GONE, "gone", "no request for 10 min"),
        (Kind.ERRORS_UP, "failing", "errors 1 % to 10 %"),
        (Kind.LATENCY_UP, "slow", "p95 +138 %: 109 ms to 258 ms"),
    ]
    calm = next(each for each in found.services if each.service == "calm")
    assert (calm.before.count, calm.before.errors) == (1_800, 18)
    assert (calm.now.count, calm.now.errors, calm.now.rate) == (1_800, 18, 0.5)
    assert calm.now.p95_ms == pytest.approx(109, rel=0.011)
    assert calm.last_seen == format_instant(START_NS - SECOND_NS)
    assert found.now.count == sum(each.now.count for each in found.services)
    assert found.before.errors == sum(each.before.errors for each in found.services)
    for last in ("15m", "59m", "2h", "20h"):
        gone = (await overview(board, last=last)).attention[0]
        assert (gone.service, gone.text) == ("gone", "no request for 10 min"), last
    alone = await overview(board, service="slow")
    assert [each.service for each in alone.services] == ["slow"]
    assert [each.kind for each in alone.attention] == [Kind.LATENCY_UP]
    assert alone.now.count == 1_800


async def test_traffic_that_is_gone_for_hours_is_still_gone(
    board: Opsboard, clock: ManualClock
) -> None:
    await requests(
        board, "shop", START_NS - 30 * HOUR_NS, START_NS - 5 * HOUR_NS, every_ns=MINUTE_NS
    )
    for last in ("15m", "1h", "24h", "7d"):
        found = await overview(board, last=last)
        assert [each.text for each in found.attention] == ["no request for 5 h"], last
        assert found.services[0].state is State.GONE
    clock.advance(60 * HOUR_NS)
    assert (await overview(board)).services[0].state is State.QUIET


async def test_a_moment_and_a_window_of_the_past(board: Opsboard, clock: ManualClock) -> None:
    await requests(board, "shop", START_NS - 2 * HOUR_NS, START_NS)
    clock.advance(HOUR_NS)
    await requests(board, "shop", START_NS, START_NS + HOUR_NS, failing=2)
    assert [each.kind for each in (await overview(board)).attention] == [Kind.ERRORS_UP]
    then = await overview(board, last="1h", as_of=format_instant(START_NS))
    assert then.attention == []
    assert then.now.count == 1_800
    window = {
        "since": format_instant(START_NS - 30 * MINUTE_NS),
        "until": format_instant(START_NS),
    }
    past = await overview(board, **window)
    assert (past.now.count, past.before.count) == (900, 900)
    assert past.attention == []


async def test_nothing_is_known_at_first(board: Opsboard) -> None:
    found = await overview(board)
    assert (found.services, found.attention, found.now.count) == ([], [], 0)
    with pytest.raises(InvalidInput):
        await overview(board, since="2030-01-01T00:00:00Z")


async def test_a_new_error_needs_attention(board: Opsboard, clock: ManualClock) -> None:
    await board.record_event(
        "it broke", level="ERROR", service="shop", meta={"exception.type": "KeyError"}
    )
    await board.errors.catch_up()
    (found,) = (await overview(board)).attention
    assert (found.kind, found.service) == (Kind.NEW_ERROR, "shop")
    assert found.text == "new error: KeyError: it broke"
    (group,) = board.errors.groups.newest_first()
    assert found.fingerprint == group.fingerprint
    assert (await overview(board, service="api")).attention == []
    clock.advance(2 * HOUR_NS)
    assert (await overview(board)).attention == []


async def test_what_only_histograms_tell_of_was_seen_when_they_say(
    board: Opsboard, clock: ManualClock
) -> None:
    key = SeriesKey("measured", "/", "GET", 200)
    batch = HistogramBatch.of([measured(key, [1_000_000], clock.now() - MINUTE_NS)])
    await board.store.journal.append(Stream.SAMPLES, [batch])
    (service,) = (await overview(board)).services
    assert service.last_seen == format_instant(clock.now() - MINUTE_NS)


async def test_an_error_is_new_from_the_moment_at_which_it_was_recorded(board: Opsboard) -> None:
    await board.recorder.record(**exception_event("KeyError", "gone", service="shop"))
    assert [found.kind for found in (await overview(board)).attention] == [Kind.NEW_ERROR]
