"""What any RollupStore must do; runs unchanged on every store."""

import random
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pytest
from opsboard.application.ports import RollupChange, RollupStore, Store, StoredRollup
from opsboard.domain.pending import PendingMinutes
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import RequestSample, SampleBatch, SeriesKey
from opsboard.domain.series import SeriesSeen, SeriesTable
from opsboard.domain.tier import EVER, Tier, Window

from ...tries import tries

MINUTE, HOUR, DAY = Tier.MINUTE, Tier.HOUR, Tier.DAY
DAY_0 = 20_000 * DAY
"""A midnight, in ms since 1970."""
NS_PER_MS = 1_000_000
KEYS = [SeriesKey("shop", f"/{n}", "GET", 200) for n in range(3)]


@pytest.fixture
def rollups(store: Store) -> RollupStore:
    return store.rollups


def sample(end_ms: int, latency_ns: int = 1_000, series: int = 0) -> RequestSample:
    return RequestSample(KEYS[series], latency_ns, end_ms * NS_PER_MS)


class History:
    """Entries as they were recorded, and the rollups that they fold to."""

    def __init__(self, *entries: Sequence[RequestSample]) -> None:
        self.entries = dict(enumerate(entries, 1))

    def samples(self, window: Window = EVER, upto: int | None = None) -> list[RequestSample]:
        return [
            each
            for number, samples in self.entries.items()
            for each in samples
            if (upto is None or number <= upto)
            and window.since <= each.ended_at // NS_PER_MS < window.until
        ]

    def rolled_up(self, tier: Tier, start: int, after: int = 0, upto: int = 99) -> StoredRollup:
        """What entries after one and up to another put into a span."""
        kept = [
            each
            for number, samples in self.entries.items()
            for each in samples
            if after < number <= upto and tier.start_of(each.ended_at // NS_PER_MS) == start
        ]
        ends = [each.ended_at // NS_PER_MS for each in kept]
        return StoredRollup(tier, start, min(ends), max(ends), fold(kept))

    def starts(self, tier: Tier) -> list[int]:
        return sorted({tier.start_of(each.ended_at // NS_PER_MS) for each in self.samples()})

    @property
    def minutes(self) -> list[tuple[int, int]]:
        return sorted(
            {
                (MINUTE.start_of(each.ended_at // NS_PER_MS), number)
                for number, samples in self.entries.items()
                for each in samples
            }
        )

    def change(
        self, spans: Iterable[tuple[Tier, int]], checkpoint: int | None = None
    ) -> RollupChange:
        return RollupChange(
            checkpoint=len(self.entries) if checkpoint is None else checkpoint,
            total=fold(self.samples()),
            series=[SeriesSeen(key, 1, 2) for key in KEYS],
            rollups=[self.rolled_up(tier, start) for tier, start in spans],
            minutes=self.minutes,
        )

    def every(self, *tiers: Tier) -> list[tuple[Tier, int]]:
        return [(tier, start) for tier in tiers for start in self.starts(tier)]


def fold(samples: Sequence[RequestSample]) -> Rollups:
    series = np.array([KEYS.index(each.series) for each in samples], np.int64)
    return Rollups.of(series, np.array([each.latency_ns for each in samples], np.int64))


def plain(rollups: Rollups) -> list[list[int]]:
    return [column.tolist() for column in rollups.columns]


def told(stored: Iterable[StoredRollup]) -> list[tuple[object, ...]]:
    """Rollups in a form that compares, in the order of their starts."""
    return sorted((r.tier, r.start_ms, r.first_ms, r.last_ms, plain(r.rollups)) for r in stored)


HISTORY = History(
    [sample(DAY_0 + 5), sample(DAY_0 + MINUTE + 7, series=1)],
    [sample(DAY_0 + 30_000, 5_000), sample(DAY_0 + HOUR + 1)],
    [],
    [sample(DAY_0 + DAY, series=2), sample(DAY_0 + MINUTE + 9, 0)],
)


async def filled(rollups: RollupStore, history: History = HISTORY) -> RollupStore:
    assert await rollups.save(history.change(history.every(MINUTE, HOUR, DAY)), expected=0)
    return rollups


async def settle_everything(rollups: RollupStore) -> None:
    assert await rollups.settle(4, HISTORY.minutes, [], expected=0)


async def test_an_empty_store_stands_at_the_beginning(rollups: RollupStore) -> None:
    state = await rollups.load()
    assert (state.checkpoint, state.settled_upto) == (0, 0)
    assert state.total is None or len(state.total.series) == 0
    assert len(state.expired.series) == 0
    assert list(state.series) == []
    assert list(state.unclosed) == []
    for tier in Tier:
        assert await rollups.starts(tier) == []
        assert await rollups.stored(tier, [0]) == []
        assert await rollups.expire(tier, EVER.until, 10) == 0
    coverage = await rollups.covering(EVER, tuple(Tier))
    assert coverage.checkpoint == 0
    assert [*coverage.rollups, *coverage.partial, *coverage.entries] == []
    assert await rollups.size() == {"minute": (0, 0), "hour": (0, 0), "day": (0, 0)}


async def test_what_is_saved_is_loaded(rollups: RollupStore) -> None:
    await filled(rollups)
    state = await rollups.load()
    assert state.checkpoint == 4
    assert state.settled_upto == 0
    assert state.total is not None
    assert plain(state.total) == plain(fold(HISTORY.samples()))
    assert list(state.series) == [SeriesSeen(key, 1, 2) for key in KEYS]
    for tier in Tier:
        starts = HISTORY.starts(tier)
        assert await rollups.starts(tier) == starts
        assert await rollups.starts(tier, Window(starts[0], starts[-1])) == starts[:-1]
        stored = await rollups.stored(tier, [*starts, starts[0] + tier * 7])
        assert told(stored) == told(HISTORY.rolled_up(tier, start) for start in starts)
    everything = [minute for minute, _ in HISTORY.minutes]
    assert await rollups.entries_in(everything) == HISTORY.minutes
    assert await rollups.entries_in([DAY_0 + MINUTE]) == [(DAY_0 + MINUTE, 1), (DAY_0 + MINUTE, 4)]
    assert await rollups.entries_in([]) == []


async def test_the_old_checkpoint_guards_a_save(rollups: RollupStore) -> None:
    one = History(HISTORY.entries[1])
    assert not await rollups.save(one.change(one.every(MINUTE)), expected=1)
    assert (await rollups.load()).checkpoint == 0
    assert await rollups.starts(MINUTE) == []
    assert await rollups.save(one.change(one.every(MINUTE)), expected=0)
    two = History(*[HISTORY.entries[n] for n in (1, 2)])
    for wrong in (0, 2):
        assert not await rollups.save(two.change(two.every(MINUTE)), expected=wrong)
    assert await rollups.starts(MINUTE) == one.starts(MINUTE)
    assert await rollups.entries_in(two.starts(MINUTE)) == one.minutes
    state = await rollups.load()
    assert state.total is not None
    assert plain(state.total) == plain(fold(one.samples()))
    assert await rollups.save(two.change(two.every(MINUTE)), expected=1)
    assert await rollups.entries_in(two.starts(MINUTE)) == two.minutes
    assert told(await rollups.stored(MINUTE, [DAY_0])) == told([two.rolled_up(MINUTE, DAY_0)])


@pytest.mark.parametrize("tier", [HOUR, DAY])
async def test_a_minute_is_not_saved_without_the_hour_and_day_that_have_it(
    rollups: RollupStore, tier: Tier
) -> None:
    """Another process rolled them up since, from the minute as it was."""
    await rollups.save(HISTORY.change(HISTORY.every(MINUTE)), expected=0)
    closing = msgspec.structs.replace(HISTORY.change([(tier, DAY_0)]), minutes=[])
    assert await rollups.save(closing, expected=4)
    late = History(*HISTORY.entries.values(), [sample(DAY_0 + 9)])
    assert not await rollups.save(late.change([(MINUTE, DAY_0)]), expected=4)
    assert told(await rollups.stored(MINUTE, [DAY_0])) == told([HISTORY.rolled_up(MINUTE, DAY_0)])
    assert await rollups.save(late.change([(MINUTE, DAY_0), (tier, DAY_0)]), expected=4)
    assert told(await rollups.stored(tier, [DAY_0])) == told([late.rolled_up(tier, DAY_0)])


async def test_a_thousand_minutes_are_found(rollups: RollupStore) -> None:
    long = History([sample(DAY_0 + n * MINUTE) for n in range(1_200)])
    await rollups.save(long.change(long.every(MINUTE)), expected=0)
    starts = long.starts(MINUTE)
    assert len(await rollups.stored(MINUTE, starts)) == 1_200
    assert await rollups.entries_in(starts) == [(start, 1) for start in starts]
    coverage = await rollups.covering(EVER, ())
    assert sorted(coverage.partial) == starts
    assert list(coverage.entries) == [1]


async def test_hours_and_days_without_a_rollup_are_unclosed(rollups: RollupStore) -> None:
    spans = [*HISTORY.every(MINUTE), (HOUR, DAY_0)]
    await rollups.save(HISTORY.change(spans), expected=0)
    assert sorted((await rollups.load()).unclosed) == [
        (HOUR, DAY_0 + HOUR),
        (HOUR, DAY_0 + DAY),
        (DAY, DAY_0),
        (DAY, DAY_0 + DAY),
    ]
    await rollups.save(HISTORY.change(HISTORY.every(HOUR, DAY), checkpoint=5), expected=4)
    assert list((await rollups.load()).unclosed) == []


async def test_a_whole_window_is_covered_by_the_coarsest_rollups(rollups: RollupStore) -> None:
    await filled(rollups)
    for window in (EVER, Window(DAY_0, DAY_0 + 2 * DAY)):
        found = await rollups.covering(window, tuple(Tier))
        assert found.checkpoint == 4
        assert [(r.tier, r.start_ms) for r in found.rollups] == [(DAY, DAY_0), (DAY, DAY_0 + DAY)]
        assert ([*found.partial], [*found.entries]) == ([], [])


async def test_without_histograms_all_else_is_the_same(rollups: RollupStore) -> None:
    await filled(rollups)
    whole = list((await rollups.covering(EVER, [MINUTE, HOUR])).rollups)
    found = list((await rollups.covering(EVER, [MINUTE, HOUR], histograms=False)).rollups)
    assert whole
    for one, other in zip(found, whole, strict=True):
        assert (one.tier, one.start_ms) == (other.tier, other.start_ms)
        assert plain(one.rollups)[:5] == plain(other.rollups)[:5]
        assert plain(one.rollups)[5:] in ([[], []], plain(other.rollups)[5:])
    again = list((await rollups.covering(EVER, [MINUTE, HOUR])).rollups)
    assert [plain(each.rollups) for each in again] == [plain(each.rollups) for each in whole]


async def test_a_window_that_cuts_a_day_takes_hours_and_minutes_and_cuts_the_rest(
    rollups: RollupStore,
) -> None:
    await filled(rollups)
    found = await rollups.covering(Window(DAY_0 + 6, DAY_0 + 2 * DAY), tuple(Tier))
    assert sorted((r.tier, r.start_ms) for r in found.rollups) == [
        (MINUTE, DAY_0 + MINUTE),
        (HOUR, DAY_0 + HOUR),
        (DAY, DAY_0 + DAY),
    ]
    assert ([*found.partial], [*found.entries]) == ([DAY_0], [1, 2])


async def test_a_rollup_lies_within_if_all_its_samples_do(rollups: RollupStore) -> None:
    """The day's samples start at ms 5, and end 1 ms into its second hour."""
    await filled(rollups)
    tight = await rollups.covering(Window(DAY_0 + 5, DAY_0 + HOUR + 2), tuple(Tier))
    assert [(r.tier, r.start_ms) for r in tight.rollups] == [(DAY, DAY_0)]
    assert [*tight.partial] == []
    outside = await rollups.covering(Window(DAY_0 + 30_001, DAY_0 + MINUTE), tuple(Tier))
    assert [*outside.rollups, *outside.partial, *outside.entries] == []


async def test_only_the_tiers_asked_for_are_given(rollups: RollupStore) -> None:
    await filled(rollups)
    hours = await rollups.covering(EVER, [MINUTE, HOUR])
    assert {r.tier for r in hours.rollups} == {HOUR}
    minutes = await rollups.covering(EVER, [MINUTE])
    assert sorted(r.start_ms for r in minutes.rollups) == HISTORY.starts(MINUTE)
    none = await rollups.covering(EVER, [])
    assert [*none.rollups] == []
    assert sorted(none.partial) == HISTORY.starts(MINUTE)
    assert [*none.entries] == [1, 2, 4]


async def test_what_holds_later_entries_is_cut_out_of_those_up_to_the_one_asked_for(
    rollups: RollupStore,
) -> None:
    await filled(rollups)
    found = await rollups.covering(EVER, tuple(Tier), upto=2)
    assert sorted((r.tier, r.start_ms) for r in found.rollups) == [
        (MINUTE, DAY_0),
        (HOUR, DAY_0 + HOUR),
    ]
    assert sorted(found.partial) == [DAY_0 + MINUTE, DAY_0 + DAY]
    assert [*found.entries] == [1]
    everything = await rollups.covering(EVER, tuple(Tier), upto=4)
    assert {r.tier for r in everything.rollups} == {DAY}


@pytest.mark.parametrize("seed", range(tries(6)))
async def test_rollups_and_what_is_cut_out_make_up_any_window(
    rollups: RollupStore, seed: int
) -> None:
    """Some hours and days are closed, some are not; windows and bounds fall anywhere."""
    dice = random.Random(seed)

    def end() -> int:
        around = DAY_0 + dice.choice([0, 1, 2, 26, 49, 50]) * HOUR + dice.randrange(5) * MINUTE
        return around + dice.choice([0, 1, 59_999, dice.randrange(MINUTE)])

    history = History(
        *(
            [sample(end(), dice.randrange(10**9), dice.randrange(3)) for _ in range(4)]
            for _ in range(12)
        )
    )
    hours = [span for span in history.every(HOUR) if dice.random() < 0.8]
    days = [span for span in history.every(DAY) if dice.random() < 0.6]
    spans = [*history.every(MINUTE), *hours, *days]
    await rollups.save(history.change(spans), expected=0)
    for _ in range(60):
        since, until = sorted((end() + dice.choice([0, 1]), end() + dice.choice([0, 1])))
        window = dice.choice([EVER, Window(since, until), Window(0, until), Window(since, 1 << 62)])
        tiers = dice.choice([tuple(Tier), (MINUTE, HOUR), (MINUTE,), ()])
        upto = dice.choice([None, *range(13)])
        found = await rollups.covering(window, tiers, upto)
        stored = list(found.rollups)
        assert {r.tier for r in stored} <= set(tiers)
        cut = [
            each
            for number in found.entries
            for each in history.entries[number]
            if MINUTE.start_of(each.ended_at // NS_PER_MS) in found.partial
            and window.since <= each.ended_at // NS_PER_MS < window.until
        ]
        assert list(found.entries) == sorted(set(found.entries))
        assert upto is None or all(number <= upto for number in found.entries)
        given = Rollups.merged([*(r.rollups for r in stored), fold(cut)])
        assert plain(given) == plain(fold(history.samples(window, upto)))


async def test_settled_entries_are_needed_no_more(rollups: RollupStore) -> None:
    await filled(rollups)
    settled = [HISTORY.rolled_up(MINUTE, DAY_0 + MINUTE, upto=2)]
    mine = [(minute, number) for minute, number in HISTORY.minutes if number <= 2]
    assert await rollups.settle(2, mine, settled, expected=0)
    assert (await rollups.load()).settled_upto == 2
    everything = HISTORY.starts(MINUTE)
    assert await rollups.entries_in(everything) == [
        (minute, number) for minute, number in HISTORY.minutes if number > 2
    ]
    assert told(await rollups.settled(everything)) == told(settled)
    assert await rollups.settled([DAY_0]) == []
    assert await rollups.starts(MINUTE) == everything


async def test_what_is_settled_guards_settling_and_saving(rollups: RollupStore) -> None:
    await filled(rollups)
    mine = [(minute, number) for minute, number in HISTORY.minutes if number <= 2]
    shared = HISTORY.rolled_up(MINUTE, DAY_0 + MINUTE, upto=2)
    assert await rollups.settle(2, mine, [shared], expected=0)
    assert not await rollups.settle(2, mine, [], expected=0)
    assert told(await rollups.settled([DAY_0 + MINUTE])) == told([shared])
    later = HISTORY.change(HISTORY.every(*Tier), checkpoint=5)
    assert not await rollups.save(later, expected=4)
    assert (await rollups.load()).checkpoint == 4
    knowing = msgspec.structs.replace(later, settled_upto=2, minutes=[])
    assert await rollups.save(knowing, expected=4)


async def test_what_settled_is_forgotten_once_no_unsettled_entry_shares_its_minute(
    rollups: RollupStore,
) -> None:
    await filled(rollups)
    shared = HISTORY.rolled_up(MINUTE, DAY_0 + MINUTE, upto=2)
    mine = [(minute, number) for minute, number in HISTORY.minutes if number <= 2]
    assert await rollups.settle(2, mine, [shared], expected=0)
    rest = [(minute, number) for minute, number in HISTORY.minutes if number > 2]
    assert await rollups.settle(4, rest, [], expected=2)
    assert (await rollups.load()).settled_upto == 4
    assert await rollups.settled(HISTORY.starts(MINUTE)) == []
    assert await rollups.entries_in(HISTORY.starts(MINUTE)) == []


async def test_a_save_keeps_what_settled_entries_put_into_a_minute_that_gets_late_ones(
    rollups: RollupStore,
) -> None:
    await filled(rollups)
    await settle_everything(rollups)
    before = HISTORY.rolled_up(MINUTE, DAY_0)
    late = History(*HISTORY.entries.values(), [sample(DAY_0 + 9)])
    change = msgspec.structs.replace(
        late.change([(MINUTE, DAY_0), (HOUR, DAY_0), (DAY, DAY_0)]),
        settled=[before],
        settled_upto=4,
        minutes=[(DAY_0, 5)],
    )
    assert await rollups.save(change, expected=4)
    assert told(await rollups.settled([DAY_0])) == told([before])
    assert await rollups.entries_in([DAY_0]) == [(DAY_0, 5)]


async def test_a_minute_of_settled_entries_lies_within_where_it_starts(
    rollups: RollupStore,
) -> None:
    """Its samples are gone, so it can not be cut: it counts as a whole, or not at all."""
    await filled(rollups)
    await settle_everything(rollups)
    for window, counts in (
        (Window(DAY_0, DAY_0 + 10), [DAY_0]),
        (Window(DAY_0 + 1, DAY_0 + 10), []),
        (Window(DAY_0 + 6, DAY_0 + MINUTE + 8), [DAY_0 + MINUTE]),
        (Window(DAY_0 + 6, DAY_0 + MINUTE + 7), []),
    ):
        found = await rollups.covering(window, [MINUTE])
        assert [r.start_ms for r in found.rollups] == counts
        assert [*found.entries] == []


async def test_expiry_removes_the_oldest_up_to_a_limit(rollups: RollupStore) -> None:
    await filled(rollups)
    await settle_everything(rollups)
    starts = HISTORY.starts(MINUTE)
    assert await rollups.expire(MINUTE, starts[2], 1) == 1
    assert await rollups.starts(MINUTE) == starts[1:]
    assert await rollups.expire(MINUTE, starts[2], 9) == 1
    assert await rollups.expire(MINUTE, starts[2], 9) == 0
    assert await rollups.starts(MINUTE) == starts[2:]
    assert await rollups.starts(HOUR) == HISTORY.starts(HOUR)
    state = await rollups.load()
    assert len(state.expired.series) == 0
    assert state.checkpoint == 4


async def test_nothing_expires_of_which_a_part_would_be_made_anew(rollups: RollupStore) -> None:
    """An unsettled entry has a sample in the second hour of the first day."""
    await filled(rollups)
    mine = [(minute, number) for minute, number in HISTORY.minutes if minute != DAY_0 + HOUR]
    assert await rollups.settle(4, mine, [], expected=0)
    assert await rollups.expire(DAY, EVER.until, 99) == 0
    assert await rollups.expire(HOUR, EVER.until, 99) == 0
    assert await rollups.expire(MINUTE, EVER.until, 99) == 2
    assert await rollups.starts(MINUTE) == [DAY_0 + HOUR, DAY_0 + DAY]


async def test_an_hour_whose_minutes_expired_lies_within_where_it_starts(
    rollups: RollupStore,
) -> None:
    await filled(rollups)
    await settle_everything(rollups)
    await rollups.expire(MINUTE, DAY_0 + HOUR, 9)
    first_hour = await rollups.covering(Window(DAY_0, DAY_0 + 10), [MINUTE, HOUR])
    assert [(r.tier, r.start_ms) for r in first_hour.rollups] == [(HOUR, DAY_0)]
    later = await rollups.covering(Window(DAY_0 + 6, DAY_0 + HOUR), [MINUTE, HOUR])
    assert [*later.rollups, *later.partial] == []


async def test_days_that_expire_stay_in_the_total(rollups: RollupStore) -> None:
    await filled(rollups)
    await settle_everything(rollups)
    for tier in (MINUTE, HOUR):
        await rollups.expire(tier, EVER.until, 99)
    assert await rollups.expire(DAY, DAY_0 + DAY, 99) == 1
    state = await rollups.load()
    first_day = HISTORY.samples(Window(DAY_0, DAY_0 + DAY))
    assert plain(state.expired) == plain(fold(first_day))
    assert state.total is not None
    assert plain(state.total) == plain(fold(HISTORY.samples()))
    assert await rollups.expire(DAY, EVER.until, 99) == 1
    assert plain((await rollups.load()).expired) == plain(fold(HISTORY.samples()))
    assert await rollups.starts(DAY) == []


@pytest.mark.parametrize("tiers", [tuple(Tier), (MINUTE, HOUR), ()])
async def test_what_expired_is_part_of_ever_and_of_no_other_window(
    rollups: RollupStore, tiers: Sequence[Tier]
) -> None:
    await filled(rollups)
    await settle_everything(rollups)
    for tier in Tier:
        await rollups.expire(tier, DAY_0 + DAY, 99)
    ever = await rollups.covering(EVER, tiers)
    days = [r for r in ever.rollups if r.start_ms == 0]
    assert [plain(r.rollups) for r in days] == [plain((await rollups.load()).expired)]
    almost = await rollups.covering(Window(1, EVER.until), tiers)
    assert [r for r in almost.rollups if r.start_ms < DAY_0 + DAY] == []


async def test_clearing_before_anything_settled_forgets_everything(rollups: RollupStore) -> None:
    await filled(rollups)
    await rollups.clear()
    state = await rollups.load()
    assert (state.checkpoint, state.settled_upto) == (0, 0)
    assert state.total is None or len(state.total.series) == 0
    assert list(state.series) == []
    assert [await rollups.starts(tier) for tier in Tier] == [[], [], []]
    assert await rollups.entries_in(HISTORY.starts(MINUTE)) == []
    await filled(rollups)


async def test_clearing_keeps_what_only_settled_entries_made(rollups: RollupStore) -> None:
    await filled(rollups)
    shared = HISTORY.rolled_up(MINUTE, DAY_0 + MINUTE, upto=2)
    mine = [(minute, number) for minute, number in HISTORY.minutes if number <= 2]
    assert await rollups.settle(2, mine, [shared], expected=0)
    await rollups.clear()
    state = await rollups.load()
    assert (state.checkpoint, state.settled_upto) == (2, 2)
    assert state.total is None
    assert [seen.key for seen in state.series] == KEYS
    assert told(await rollups.stored(MINUTE, HISTORY.starts(MINUTE))) == told(
        HISTORY.rolled_up(MINUTE, start, upto=2) for start in (DAY_0, DAY_0 + MINUTE, DAY_0 + HOUR)
    )
    assert await rollups.starts(HOUR) == [DAY_0 + HOUR]
    assert await rollups.starts(DAY) == []
    assert sorted(state.unclosed) == [(HOUR, DAY_0), (DAY, DAY_0)]
    assert await rollups.entries_in(HISTORY.starts(MINUTE)) == []
    assert await rollups.settled([DAY_0 + MINUTE]) == []


async def test_folding_after_a_clear_brings_everything_back(rollups: RollupStore) -> None:
    await filled(rollups)
    shared = HISTORY.rolled_up(MINUTE, DAY_0 + MINUTE, upto=2)
    assert await rollups.settle(2, [m for m in HISTORY.minutes if m[1] <= 2], [shared], expected=0)
    await rollups.clear()
    again = msgspec.structs.replace(
        HISTORY.change(HISTORY.every(MINUTE, HOUR, DAY)),
        settled=[shared],
        settled_upto=2,
        minutes=[m for m in HISTORY.minutes if m[1] > 2],
    )
    assert await rollups.save(again, expected=2)
    for tier in Tier:
        starts = HISTORY.starts(tier)
        assert told(await rollups.stored(tier, starts)) == told(
            HISTORY.rolled_up(tier, start) for start in starts
        )
    assert told(await rollups.settled([DAY_0 + MINUTE])) == told([shared])


async def test_the_size_counts_rollups_and_their_bytes(rollups: RollupStore) -> None:
    await filled(rollups)
    size = await rollups.size()
    assert list(size) == ["minute", "hour", "day"]
    assert [count for count, _ in size.values()] == [len(HISTORY.starts(tier)) for tier in Tier]
    assert all(count * 20 < taken < count * 500 for count, taken in size.values())


async def test_what_was_given_is_not_kept_by_reference(rollups: RollupStore) -> None:
    """A projection goes on changing its table of series after a save."""
    seen = [SeriesSeen(KEYS[0], 1, 2)]
    change = msgspec.structs.replace(HISTORY.change([]), series=seen)
    await rollups.save(change, expected=0)
    seen[0].last_ms = 99
    assert [each.last_ms for each in (await rollups.load()).series] == [2]


async def test_what_pending_minutes_fold_is_what_a_store_keeps(rollups: RollupStore) -> None:
    pending = PendingMinutes(SeriesTable())
    pending.evolve([(n, SampleBatch.of(samples)) for n, samples in HISTORY.entries.items()])
    stored = [
        StoredRollup(MINUTE, start, each.first_ms, each.last_ms, each.rollups)
        for start, each in pending.minutes.items()
    ]
    assert told(stored) == told(HISTORY.rolled_up(MINUTE, at) for at in HISTORY.starts(MINUTE))
    change = msgspec.structs.replace(
        HISTORY.change([]), rollups=stored, minutes=pending.entries, series=pending.series.seen
    )
    await rollups.save(change, expected=0)
    assert told(await rollups.stored(MINUTE, HISTORY.starts(MINUTE))) == told(stored)
