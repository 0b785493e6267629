"""Proof that every rollup is what its samples, or its finer rollups, fold to."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence, Set

from ..domain.cumulative import CumulativePoint, CumulativeStreams
from ..domain.entry import Stream
from ..domain.histogram_batch import HistogramBatch
from ..domain.instant import format_ms
from ..domain.pending import PendingMinutes
from ..domain.rollup import Rollups
from ..domain.sample import SeriesRows
from ..domain.series import SeriesTable
from ..domain.tier import EVER, Tier
from .errors import DamagedReadModel
from .ports import Store, StoredRollup
from .project_samples import merged_rollup, stored_upto, sum_of
from .readable import read_numbers, readable

TRIES = 5
"""How often a difference is looked at again because another process rolled up meanwhile."""


async def verify_rollups(store: Store) -> AsyncIterator[str]:
    """Each rollup that differs from what it is made of, with the first series that does."""
    state = await store.rollups.load()
    head = await store.journal.head(Stream.SAMPLES)
    if state.checkpoint > head.number:
        yield f"rollups: saved up to entry {state.checkpoint}, the journal ends at {head.number}"
    series = SeriesTable(state.series)
    streams = CumulativeStreams()
    numbers = await _numbers_by_minute(store, state.settled_upto, state.checkpoint, streams)
    for wrong in _stream_faults(state.streams, streams):
        yield wrong
    for minute in sorted(numbers):
        check = _minute_fault(store, series, minute, numbers[minute], state.checkpoint)
        if fault := await _or_damage(check):
            yield fault
    for tier in (Tier.HOUR, Tier.DAY):
        unsettled = {tier.start_of(minute) for minute in numbers}
        async for fault in _span_faults(store, series, tier, unsettled, state.settled_upto):
            yield fault
    if fault := await _or_damage(_total_fault(store, series)):
        yield fault


def _stream_faults(stored: Iterable[CumulativePoint], folded: CumulativeStreams) -> Iterator[str]:
    """Each counter of which a kept entry knows better where it stood."""
    for point in stored:
        newest = folded.newest(point.stream)
        if newest is not None and newest.time_ns >= point.time_ns and newest != point:
            yield f"the counter {point.stream.hex()}: is not stored as its newest point has it"


async def _or_damage(check: Awaitable[str | None]) -> str | None:
    """What a check finds, or which rollup it can not read."""
    try:
        return await check
    except DamagedReadModel as error:
        return str(error)


async def _numbers_by_minute(
    store: Store, after: int, until: int, streams: CumulativeStreams
) -> dict[int, list[int]]:
    """The entries that have samples in each minute, from the entries themselves.

    `streams` learns where counters stood.
    """
    found: dict[int, list[int]] = defaultdict(list)
    async for page in store.journal.read(Stream.SAMPLES, after, until):
        for number, batch in readable(store.journal, page, SeriesRows):
            for minute in {Tier.MINUTE.start_of(end) for end in batch.ended_at_ms.tolist()}:
                found[minute].append(number)
            if isinstance(batch, HistogramBatch):
                streams.evolve(batch.points)
    return found


async def _minute_fault(
    store: Store, series: SeriesTable, minute: int, numbers: list[int], checkpoint: int
) -> str | None:
    """What is wrong with a minute; once more if another process added to it meanwhile."""
    for _ in range(TRIES):
        indexed = [number for _, number in await store.rollups.entries_in([minute])]
        if indexed != numbers:
            gone = (await store.rollups.load()).settled_upto
            numbers = [number for number in numbers if number > gone]
        stored = await store.rollups.stored(Tier.MINUTE, [minute])
        expected = await _refolded(store, series, minute, numbers)
        newest = await stored_upto(store.rollups)
        if indexed == numbers:
            fault = _difference(series, Tier.MINUTE, minute, stored, expected)
            if fault is None or newest == checkpoint:
                return fault
        elif newest == checkpoint:
            return f"the minute {format_ms(minute)}: its entries are not those that are noted"
        checkpoint, numbers = newest, indexed
    return None


async def _refolded(
    store: Store, series: SeriesTable, minute: int, numbers: Sequence[int]
) -> Rollups:
    fold = PendingMinutes(series)
    async for page in read_numbers(store.journal, Stream.SAMPLES, numbers):
        fold.evolve(list(readable(store.journal, page, SeriesRows)))
    settled = await store.rollups.settled([minute])
    folded = [fold.minutes[minute].rollups] if minute in fold.minutes else []
    return Rollups.merged([*(each.rollups for each in settled), *folded])


async def _span_faults(
    store: Store, series: SeriesTable, tier: Tier, unsettled: Set[int], settled_upto: int
) -> AsyncIterator[str]:
    """What is wrong with the spans of which every part is kept.

    Those are all in which unsettled entries have samples, and all from the oldest part on.
    """
    oldest = min(await store.rollups.starts(tier.finer), default=EVER.until)
    for start in await store.rollups.starts(tier):
        if start < oldest and start not in unsettled:
            continue
        fault = await _or_damage(_span_fault(store, series, tier, start))
        if fault and (start >= oldest or (await store.rollups.load()).settled_upto == settled_upto):
            yield fault


async def _span_fault(store: Store, series: SeriesTable, tier: Tier, start: int) -> str | None:
    for _ in range(TRIES):
        checkpoint = await stored_upto(store.rollups)
        stored = await store.rollups.stored(tier, [start])
        parts = await store.rollups.stored(tier.finer, range(start, start + tier, tier.finer))
        expected = merged_rollup(tier, start, parts).rollups if parts else Rollups.none()
        fault = _difference(series, tier, start, stored, expected)
        if fault is None or await stored_upto(store.rollups) == checkpoint:
            return fault
    return None


async def _total_fault(store: Store, series: SeriesTable) -> str | None:
    for _ in range(TRIES):
        state = await store.rollups.load()
        expected = await sum_of(store.rollups)
        if state.total is None or state.total.same_as(expected):
            return None
        if await stored_upto(store.rollups) == state.checkpoint:
            return f"the total: {_first(series, state.total, expected)}"
    return None


def _difference(
    series: SeriesTable,
    tier: Tier,
    start: int,
    stored: Iterable[StoredRollup],
    expected: Rollups,
) -> str | None:
    found = Rollups.merged([each.rollups for each in stored])
    if found.same_as(expected):
        return None
    return f"the {tier.name.lower()} {format_ms(start)}: {_first(series, found, expected)}"


def _first(series: SeriesTable, found: Rollups, expected: Rollups) -> str:
    """The first series in which the two differ, in words."""
    differs = found.first_difference(expected)
    if differs is None:
        return "is not stored as it would be now"
    name = " ".join(map(str, series.key(differs))) if differs < len(series) else f"series {differs}"
    counts = [int(each.count[each.series == differs].sum()) for each in (found, expected)]
    return f"{name}: stored count {counts[0]}, recomputed {counts[1]}"
