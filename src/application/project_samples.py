"""The running projection of request samples: live in memory, saved as rollups as it goes."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from ..domain.cumulative import FORGOTTEN_NS, CumulativeStreams
from ..domain.entry import Recorded, Stream, UnreadableEntry
from ..domain.histogram_batch import HistogramBatch
from ..domain.instant import NS_PER_MS
from ..domain.pending import Pending, PendingMinutes
from ..domain.rollup import Rollups
from ..domain.sample import SeriesRows
from ..domain.series import SeriesTable
from ..domain.taken_out import taken_out
from ..domain.tier import EVER, Tier, Window
from .ports import Clock, Journal, RollupChange, RollupStore, StoredRollup
from .readable import readable
from .rebuilt_elsewhere import left_to_the_rebuilder
from .steady_clock import SteadyClock

SAVE_AFTER_NS = 10_000_000_000
SAVE_AFTER_ENTRIES = 4_096
FOLD_AT_ONCE = 64
FOLD_AT_ONCE_BYTES = 48 * 1024
"""Encoded: some 7,000 samples, of which others wait for a few ms."""
LATE_MS = 120_000
"""An hour is rolled up this long after its end; what comes later is merged into it."""

Changed: TypeAlias = dict[tuple[Tier, int], StoredRollup]

_log = logging.getLogger(__name__)


class SampleProjection:
    """The fold of all request samples.

    An answer is what the store has rolled up, up to `saved_upto`, and what `pending` holds of the
    entries after it.
    """

    def __init__(self, journal: Journal, rollups: RollupStore, clock: Clock) -> None:
        """Fold what `journal` holds; keep it in `rollups`."""
        self._journal = journal
        self._rollups = rollups
        self._clock = clock
        self._steady = SteadyClock(journal, clock)
        self._total = Rollups.none()
        self._unclosed: set[tuple[Tier, int]] = set()
        self.settled_upto = 0
        self._saved_at = clock.monotonic()
        self._live: Rollups | None = None
        self.series = SeriesTable()
        self.streams = CumulativeStreams()
        self.pending = PendingMinutes(self.series)
        self.checkpoint = 0
        self.saved_upto = 0
        self._reached = 0
        self._unreadable: set[int] = set()
        self.standing = asyncio.Lock()
        """Held while `pending` and the store change together: take it to read both."""
        self.merging = asyncio.Lock()
        """Held by who unpacks and merges rollups: two at once would need twice the memory. Taken
        before `standing`, never within."""

    async def start(self) -> None:
        """Take up what is saved, and fold what came after it."""
        await self.load()
        await self.catch_up()

    async def load(self) -> None:
        """Take up what is saved."""
        async with self.standing:
            await self.reload()

    async def reload(self) -> None:
        """Take up what is saved; `standing` is held. What came after it is to be folded anew."""
        self._reached = max(self._reached, self.saved_upto)
        state = await self._rollups.load()
        self.series = SeriesTable(state.series)
        self.streams = CumulativeStreams(state.streams)
        self.pending = PendingMinutes(self.series)
        self.checkpoint = self.saved_upto = state.checkpoint
        self.settled_upto = state.settled_upto
        self._total = await sum_of(self._rollups) if state.total is None else state.total
        self._unclosed = set(state.unclosed)
        self._live = None

    @property
    def total(self) -> Rollups:
        """Of every sample that was folded by now."""
        if self._live is None:
            parts = (minute.rollups for minute in self.pending.minutes.values())
            self._live = Rollups.merged([self._total, *parts])
        return self._live

    async def catch_up(self) -> None:
        """Fold every entry that the journal has by now, saving on the way where that is much."""
        while await self.advance():
            await self.save()

    async def follow_up(self) -> None:
        """Fold what the journal has by now, when nobody waits for it.

        Where another process has taken back what was saved, to rebuild it, that is left to it.
        """
        stands = partial(stored_upto, self._rollups)
        await left_to_the_rebuilder(stands, max(self._reached, self.saved_upto))
        async with self.standing:
            if await stands() != self.saved_upto:
                await self.reload()
        await self.catch_up()

    async def advance(self, limit: int = SAVE_AFTER_ENTRIES) -> bool:
        """Fold at most about `limit` more entries; whether that was not all."""
        async with self.standing:
            end = self.checkpoint + limit
            entries: list[Recorded] = []
            async for page in self._journal.read(Stream.SAMPLES, self.checkpoint):
                entries.extend(page)
                if len(entries) >= FOLD_AT_ONCE:
                    await self._fold(entries)
                    entries = []
                if self.checkpoint >= end:
                    return True
            await self._fold(entries)
        return False

    async def run(self) -> None:
        """Follow the journal, and save from time to time, until cancelled."""
        async for page in self._journal.follow(Stream.SAMPLES, self.checkpoint):
            async with self.standing:
                new = [recorded for recorded in page if recorded.number > self.checkpoint]
                follows = bool(new) and new[0].number == self.checkpoint + 1
                if follows:
                    await self._fold(new)
            if new and not follows:
                await self.follow_up()
            if self._is_due():
                await self.save()

    def _is_due(self) -> bool:
        behind = self.checkpoint - self.saved_upto
        waited = self._clock.monotonic() - self._saved_at
        return behind >= SAVE_AFTER_ENTRIES or (behind > 0 and waited >= SAVE_AFTER_NS)

    async def lag(self) -> int:
        """How many entries of the journal are not folded yet."""
        return (await self._journal.head(Stream.SAMPLES)).number - self.checkpoint

    async def _fold(self, page: Sequence[Recorded]) -> None:
        """Fold a page, and let others have their turn after each part of it."""
        if page and self.checkpoint == 0 and page[0].number > 1:
            self.checkpoint = page[0].number - 1
        for part in _parts(page):
            found = list(readable(self._journal, part, SeriesRows, self.leave_out))
            self.pending.evolve(found)
            for _, batch in found:
                if isinstance(batch, HistogramBatch):
                    self.streams.evolve(batch.points)
            self.checkpoint = part[-1].number
            self._live = None
            await asyncio.sleep(0)

    @property
    def unreadable(self) -> int:
        """How many entries were found damaged, when they were folded or since."""
        return len(self._unreadable)

    def leave_out(self, recorded: Recorded, error: UnreadableEntry) -> None:
        """Count and name an entry that no answer can hold; the first time that it is met."""
        if recorded.number not in self._unreadable:
            self._unreadable.add(recorded.number)
            _log.error("%s %d is left out: %s", recorded.stream, recorded.number, error)

    async def save(self) -> None:
        """Merge what is pending into the stored rollups.

        Where another process has done so first, what it saved is taken up instead.
        """
        async with self.merging, self.standing:
            if self.checkpoint == self.saved_upto and not self._closable():
                return
            # Looked at first: merging what can not be saved would be for nothing.
            stands = await stored_upto(self._rollups) == self.saved_upto
            if not (stands and await self._is_merged()):
                await self.reload()
            self._live = None
            self._saved_at = self._clock.monotonic()

    async def _is_merged(self) -> bool:
        """Save what is pending, unless another process has saved meanwhile."""
        change, unclosed = await self._change()
        if not await self._rollups.save(change, expected=self.saved_upto):
            return False
        self._total, self._unclosed = change.total, unclosed
        self.streams.changed = False
        self.pending = PendingMinutes(self.series)
        self.saved_upto = change.checkpoint
        return True

    async def _change(self) -> tuple[RollupChange, set[tuple[Tier, int]]]:
        """What a save writes, and which spans are still unclosed after it."""
        if await self._steady.is_believed():
            self.streams.forget(self._clock.now() - FORGOTTEN_NS)
        minutes = self.pending.minutes
        added = [of_pending(start, pending) for start, pending in minutes.items()]
        settled = await self._newly_settled(minutes)
        changed = await self._merged_into(Tier.MINUTE, added)
        unclosed = set(self._unclosed)
        for tier in (Tier.HOUR, Tier.DAY):
            closed = await self._merged_into(tier, added, only_stored=True)
            changed |= closed
            unclosed |= {
                (tier, start)
                for start in {tier.start_of(minute) for minute in minutes}
                if (tier, start) not in closed
            }
        for tier, start in sorted(unclosed):
            # A day that is rolled up already, by a clock that was ahead, has all its hours.
            if self._is_over(tier, start) or (Tier.DAY, Tier.DAY.start_of(start)) in changed:
                changed |= await self._closed(tier, start, changed)
                unclosed.remove((tier, start))
        change = RollupChange(
            checkpoint=self.checkpoint,
            total=await asyncio.to_thread(lambda: self.total),
            series=self.series.seen,
            rollups=list(changed.values()),
            settled=settled,
            settled_upto=self.settled_upto,
            minutes=self.pending.entries,
            streams=self.streams.points() if self.streams.changed else None,
        )
        return change, unclosed

    def unclosed_from(self, tier: Tier) -> int:
        """The start in ms of the first span of a tier that is not rolled up yet."""
        return min((start for of, start in self._unclosed if of is tier), default=EVER.until)

    def _closable(self) -> bool:
        return any(self._is_over(tier, start) for tier, start in self._unclosed)

    def _is_over(self, tier: Tier, start: int) -> bool:
        newest = max(self.pending.minutes, default=0)
        return start + tier + LATE_MS <= max(newest, self._clock.now() // NS_PER_MS)

    async def _merged_into(
        self, tier: Tier, added: Sequence[StoredRollup], *, only_stored: bool = False
    ) -> Changed:
        """The spans of a tier in which something was added: what is stored, and that."""
        by_start: dict[int, list[StoredRollup]] = {}
        for rollup in added:
            by_start.setdefault(tier.start_of(rollup.start_ms), []).append(rollup)
        stored = await self._rollups.stored(tier, sorted(by_start))
        known = {rollup.start_ms: [rollup] for rollup in stored}
        starts = known if only_stored else by_start
        return await asyncio.to_thread(
            lambda: {
                (tier, start): merged_rollup(tier, start, known.get(start, []) + by_start[start])
                for start in starts
            }
        )

    async def _closed(self, tier: Tier, start: int, changed: Changed) -> Changed:
        """A span that is over, as its finer ones make it: those stored, those just changed."""
        finer = tier.finer
        merged: list[StoredRollup] = []
        there = {at for of, at in changed if of is finer and tier.start_of(at) == start}
        there |= {*await self._rollups.starts(finer, Window(start, start + tier))}
        # One after the other: all hours of a day of many series are 200 MiB, unpacked.
        for at in sorted(there):
            known = changed.get((finer, at))
            parts = await self._rollups.stored(finer, [at]) if known is None else [known]
            if parts:
                merged = [await asyncio.to_thread(merged_rollup, tier, start, merged + parts)]
        return {(tier, start): merged[0]} if merged else {}

    async def _newly_settled(self, minutes: Iterable[int]) -> list[StoredRollup]:
        """Minutes whose entries are all settled already, as they are before late ones come."""
        if self.settled_upto == 0:
            return []
        wanted = sorted(minutes)
        unsettled = {minute for minute, _ in await self._rollups.entries_in(wanted)}
        return await self._rollups.stored(
            Tier.MINUTE, [minute for minute in wanted if minute not in unsettled]
        )


def _parts(page: Sequence[Recorded]) -> Iterator[Sequence[Recorded]]:
    """The page, in parts that are folded at once."""
    start = size = 0
    for at, recorded in enumerate(page):
        length = len(recorded.encoded.payload)
        if at > start and (at - start == FOLD_AT_ONCE or size + length > FOLD_AT_ONCE_BYTES):
            yield page[start:at]
            start, size = at, 0
        size += length
    if start < len(page):
        yield page[start:]


async def stored_upto(rollups: RollupStore) -> int:
    """Up to which entry the rollups are saved, by whichever process."""
    return (await rollups.covering(Window(0, 0), ())).checkpoint


async def sum_of(rollups: RollupStore) -> Rollups:
    """The total of all samples, out of the coarsest rollups that there are of each."""
    stored = (await rollups.covering(EVER, tuple(Tier))).rollups
    parts = (each.rollups for each in taken_out(stored))
    return await asyncio.to_thread(Rollups.merged_in_turn, parts)


def merged_rollup(tier: Tier, start_ms: int, parts: Sequence[StoredRollup]) -> StoredRollup:
    """One or more rollups as one of this tier."""
    return StoredRollup(
        tier,
        start_ms,
        min(part.first_ms for part in parts),
        max(part.last_ms for part in parts),
        Rollups.merged([part.rollups for part in parts]),
    )


def of_pending(start_ms: int, pending: Pending) -> StoredRollup:
    """What was folded of a minute, as it is stored."""
    return StoredRollup(Tier.MINUTE, start_ms, pending.first_ms, pending.last_ms, pending.rollups)
