"""Retention, on every store: what goes, what stays, and that the numbers do not change."""

from collections.abc import Sequence

import pytest
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.rebuild import rebuild
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.histogram_batch import HistogramBatch
from opsboard.domain.retention import DAY_NS, Retention
from opsboard.domain.sample import RequestSample
from opsboard.domain.tier import Tier
from opsboard.domain.validation import InvalidInput

from ...fakes import SECOND_NS, CountingIds, ManualClock, measured, observe, sample
from ..conftest import Reopened

KEPT = Retention(raw=2 * DAY_NS, minutes=4 * DAY_NS, hours=8 * DAY_NS, events=3 * DAY_NS)
HOUR_NS = 3_600 * SECOND_NS


def board_over(store: Store, clock: ManualClock) -> Opsboard:
    return Opsboard(store, clock, CountingIds(), retention=KEPT)


async def live(board: Opsboard, clock: ManualClock, days: int) -> list[RequestSample]:
    """Ten samples and an event every six hours, some of them late, with retention each day."""
    said: list[RequestSample] = []
    for part in range(days * 4):
        late = HOUR_NS if part % 3 == 2 else 0
        batch = [
            sample(f"/{i % 3}", ms=1 + i, ended_at=clock.now() - late - i * 20 * SECOND_NS)
            for i in range(10)
        ]
        if part % 2:
            await board.record_samples(batch)
        else:
            await measure(board, batch)
        said += batch
        await board.record_event(f"part {part}", service="shop")
        await settle(board)
        clock.advance(6 * HOUR_NS)
        if part % 4 == 3:
            await board.retainer.remove_due()
    return said


async def measure(board: Opsboard, batch: Sequence[RequestSample]) -> None:
    """The same samples, each as a histogram of its own."""
    histograms = [measured(each.series, [each.latency_ns], each.ended_at) for each in batch]
    await board.store.journal.append(Stream.SAMPLES, [HistogramBatch.of(histograms)])


async def settle(board: Opsboard) -> None:
    for projection in board.projections.values():
        await projection.catch_up()
        await projection.save()


async def faults(store: Store) -> Sequence[str]:
    return [fault async for fault in verify(store)]


async def test_totals_never_fall(reopened: Reopened, clock: ManualClock) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        said = await live(board, clock, days=14)
        assert (await board.metrics()).requests_total == len(said)
        assert (await store.journal.cut(Stream.SAMPLES)).number > 0
        assert await faults(store) == []
    async with board_over(reopened(), clock) as board:
        assert (await board.metrics()).requests_total == len(said)


async def test_each_kind_is_kept_for_its_own_time(reopened: Reopened, clock: ManualClock) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        await live(board, clock, days=14)
        await board.retainer.remove_due()
        now_ms = clock.now() // 1_000_000
        for tier, days in ((Tier.MINUTE, 4), (Tier.HOUR, 8), (Tier.DAY, 8)):
            starts = await store.rollups.starts(tier)
            oldest = tier.coarser.start_of(now_ms - days * Tier.DAY)
            assert starts[0] >= oldest
            assert starts[0] < oldest + 2 * Tier.DAY
        samples = [page async for page in store.journal.read(Stream.SAMPLES)]
        assert samples[0][0].recorded_at > clock.now() - KEPT.raw - DAY_NS  # type: ignore[operator]
        newest = await board.event_queries.search(limit=500)
        assert newest.events[-1].event.ts > clock.now() - 4 * DAY_NS
        assert newest.events[0].event.message == "part 55"
        assert (await board.event_queries.search(limit=1)).events[0].id == 56


async def test_a_window_answers_the_same_from_rollups_alone(
    reopened: Reopened, clock: ManualClock
) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        since = "2026-01-31T15:00:00Z"
        said = await live(board, clock, days=2)
        before = await board.metrics(since=since, until="2026-02-01T03:00:00Z")
        assert 0 < before.requests_total < len(said)
        await live(board, clock, days=5)
        after = await board.metrics(since=since, until="2026-02-01T03:00:00Z")
        assert after.requests == before.requests
        assert await faults(store) == []


async def test_a_moment_before_the_cut_can_not_be_asked_for(
    reopened: Reopened, clock: ManualClock
) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        await live(board, clock, days=6)
        with pytest.raises(InvalidInput, match="as_of must not lie before"):
            await board.metrics(as_of="2026-01-31T12:00:00Z")


async def test_samples_from_before_what_is_kept_are_refused(
    reopened: Reopened, clock: ManualClock
) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        old = sample(ended_at=clock.now() - 2 * DAY_NS - SECOND_NS)
        with pytest.raises(InvalidInput, match="/1/ts must not lie before"):
            await board.record_samples([sample(ended_at=clock.now()), old])
        assert (await board.metrics()).requests_total == 0


async def test_rebuilding_keeps_what_only_rollups_hold(
    reopened: Reopened, clock: ManualClock
) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        said = await live(board, clock, days=14)
        snapshot = (await board.metrics()).requests
        week = (await board.metrics(last="7d")).requests
    store = reopened()
    async with store.opened():
        steps = [step async for step in rebuild(store, clock)]
        assert steps[-1][0] == steps[-1][1] > 0
        assert await faults(store) == []
    async with board_over(reopened(), clock) as board:
        assert (await board.metrics()).requests == snapshot
        assert (await board.metrics(last="7d")).requests == week
        assert (await board.metrics()).requests_total == len(said)


async def test_a_step_that_was_cut_off_is_ended(reopened: Reopened, clock: ManualClock) -> None:
    store = reopened()
    async with board_over(store, clock) as board:
        said = await live(board, clock, days=1)
        clock.advance(3 * DAY_NS)
        entries = [(m, n) for m, n in await store.rollups.entries_in(await all_minutes(store))]
        await store.rollups.settle(2, [(m, n) for m, n in entries if n <= 2], [], expected=0)
        await board.rollups.load()
        await board.retainer.remove_due()
        assert (await store.journal.cut(Stream.SAMPLES)).number == 4
        assert (await board.metrics()).requests_total == len(said)
        assert await faults(store) == []


async def all_minutes(store: Store) -> Sequence[int]:
    return await store.rollups.starts(Tier.MINUTE)


async def test_who_says_nothing_keeps_what_others_want_kept(
    reopened: Reopened, clock: ManualClock
) -> None:
    forever = Retention.parse("forever")
    async with Opsboard(reopened(), clock, CountingIds(), retention=forever) as board:
        await board.record_samples([sample(ended_at=clock.now())])
    clock.advance(30 * DAY_NS)
    store = reopened()
    async with Opsboard(store, clock, CountingIds()) as board:
        assert board.retainer.retention == forever
        await board.retainer.remove_due()
        assert (await store.journal.cut(Stream.SAMPLES)).number == 0


async def test_a_sample_from_before_the_clock_was_set_is_not_believed(
    reopened: Reopened, clock: ManualClock
) -> None:
    async with board_over(reopened(), clock) as board:
        observe(board, sample(ended_at=SECOND_NS), sample(ended_at=clock.now()))
        assert (await board.metrics(last="2d")).requests_total == 2


async def test_charts_take_steps_of_which_all_is_kept(
    reopened: Reopened, clock: ManualClock
) -> None:
    async with board_over(reopened(), clock) as board:
        await live(board, clock, days=10)
        queries = board.metrics_queries
        for since, until, step in (
            ("2026-02-07T02:30:00Z", "2026-02-07T03:30:00Z", 60),
            ("2026-02-04T02:30:00Z", "2026-02-04T03:30:00Z", 3_600),
        ):
            question = queries.question(since=since, until=until)
            found = await board.series_queries.series(question)
            counted = (await board.metrics(since=since, until=until)).requests_total
            assert found.step_seconds >= step
            assert sum(found.groups[0].count) == counted > 0
        question = queries.question(since="2026-02-04T02:30:00Z", until="2026-02-04T03:30:00Z")
        with pytest.raises(InvalidInput, match="step must be whole hours before"):
            await board.series_queries.series(question, "1m")
        question = queries.question(since="2026-02-07T02:30:00Z", until="2026-02-07T03:30:00Z")
        with pytest.raises(InvalidInput, match="step must be whole minutes before"):
            await board.series_queries.series(question, "10s")


async def test_a_store_of_which_only_hours_are_left_answers(
    reopened: Reopened, clock: ManualClock
) -> None:
    async with board_over(reopened(), clock) as board:
        await live(board, clock, days=2)
        clock.advance(6 * DAY_NS)
        await board.retainer.remove_due()
        question = board.metrics_queries.question(since="2026-01-31T09:00:00Z")
        with pytest.raises(InvalidInput, match="step must be whole hours before"):
            await board.series_queries.series(question, "10m")
        assert (await board.series_queries.series(question)).step_seconds >= 3_600
