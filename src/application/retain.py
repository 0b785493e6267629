"""Retention: what is older than it is kept for goes, in steps that no write has to wait for."""

import asyncio
import logging
from collections.abc import Sequence

from ..domain.entry import Stream
from ..domain.instant import NS_PER_MS
from ..domain.pending import PendingMinutes
from ..domain.retention import DEFAULT_RETENTION, Retention
from ..domain.sample import SeriesRows
from ..domain.tier import Tier
from ..domain.validation import InvalidInput
from .errors import DamagedSetting, StoreUnusable
from .ports import Clock, Store, StoredRollup
from .project_errors import ErrorProjection
from .project_samples import SampleProjection, merged_rollup, of_pending
from .readable import readable
from .steady_clock import SteadyClock

SETTING = "retention"
EVERY_SECONDS = 60.0
SAMPLE_ENTRIES_A_STEP = 2
EVENTS_A_STEP = 64
ROLLUPS_A_STEP = 8

_log = logging.getLogger(__name__)


class Retainer:
    """Removes, oldest first: samples that are rolled up, indexed events, old rollups."""

    def __init__(
        self,
        store: Store,
        projection: SampleProjection,
        errors: ErrorProjection,
        retention: Retention | None,
        clock: Clock,
    ) -> None:
        """Keep what `store` holds for as long as `retention` says, or else as the store says."""
        self._store = store
        self._projection = projection
        self._errors = errors
        self._chosen = retention
        self.retention = retention or DEFAULT_RETENTION
        self._clock = clock
        self._steady = SteadyClock(store.journal, clock)

    async def load(self) -> None:
        """Keep the retention in the store if one was chosen, or else take up the store's.

        Whoever opens the store without saying anything must not remove what others want kept.
        Raises `StoreUnusable` where what the store says is damaged, and none was chosen.
        """
        try:
            kept = await self._store.setting(SETTING)
        except DamagedSetting as error:
            if self._chosen is None:
                raise StoreUnusable(f"{error}, by OPS_RETENTION") from error
            kept = None
        if self._chosen is not None:
            if str(self._chosen) != kept:
                await self._store.keep_setting(SETTING, str(self._chosen))
        elif kept is not None:
            self.retention = _parsed(kept)

    async def run(self) -> None:
        """Remove what is due, every minute, until cancelled."""
        while True:
            await self.remove_due()
            await asyncio.sleep(EVERY_SECONDS)

    async def remove_due(self) -> int:
        """Remove everything that is due now; how many entries and rollups that were.

        That is nothing as long as the clock is not to be believed. What is pending is saved before,
        so that no minute goes of which it is a part.
        """
        if not await self._steady.is_believed():
            return 0
        await self._projection.follow_up()
        await self._projection.save()
        removed = 0
        for step in (self._samples_step, self._events_step, self._rollups_step):
            while count := await step():
                removed += count
                await asyncio.sleep(0)
        if removed:
            _log.info("retention removed %d entries and rollups", removed)
        return removed

    async def _samples_step(self) -> int:
        """Settle and trim a few sample entries; a step that was cut off is ended first."""
        journal, rollups = self._store.journal, self._store.rollups
        cut = (await journal.cut(Stream.SAMPLES)).number
        upto = self._projection.settled_upto
        if upto <= cut:
            due = await self._due(Stream.SAMPLES, self.retention.raw)
            upto = min(due, cut + SAMPLE_ENTRIES_A_STEP, self._projection.saved_upto)
            if upto <= cut:
                return 0
            async with self._projection.standing:
                entries, settled = await self._settled(cut, upto)
                known = self._projection.settled_upto
                if not await rollups.settle(upto, entries, settled, expected=known):
                    await self._projection.reload()
                    return 0
                self._projection.settled_upto = upto
        await journal.trim(Stream.SAMPLES, upto)
        return upto - cut

    async def _settled(
        self, cut: int, upto: int
    ) -> tuple[Sequence[tuple[int, int]], list[StoredRollup]]:
        """Where the entries in (cut, upto] have samples, and what of it later ones share."""
        rollups = self._store.rollups
        fold = PendingMinutes(self._projection.series)
        async for page in self._store.journal.read(Stream.SAMPLES, cut, upto):
            fold.evolve(list(readable(self._store.journal, page, SeriesRows)))
            await asyncio.sleep(0)
        shared = sorted(
            {n for n, number in await rollups.entries_in(sorted(fold.minutes)) if number > upto}
        )
        before = {each.start_ms: [each] for each in await rollups.settled(shared)}
        settled = []
        for minute in shared:
            parts = [*before.get(minute, ()), of_pending(minute, fold.minutes[minute])]
            settled.append(merged_rollup(Tier.MINUTE, minute, parts))
            await asyncio.sleep(0)
        return fold.entries, settled

    async def _events_step(self) -> int:
        journal, index = self._store.journal, self._store.event_index
        cut = (await journal.cut(Stream.EVENTS)).number
        due = await self._due(Stream.EVENTS, self.retention.events)
        upto = min(due, await index.checkpoint())
        upto = min(upto, cut + EVENTS_A_STEP, await self._errors.settle(cut, upto))
        if upto <= cut:
            return 0
        await journal.trim(Stream.EVENTS, upto)
        await index.trim(upto)
        return upto - cut

    async def _due(self, stream: Stream, age: int | None) -> int:
        """The last entry of a stream that is older than `age` ns."""
        if age is None:
            return 0
        return await self._store.journal.number_at(stream, self._clock.now() - age)

    async def _rollups_step(self) -> int:
        """Minutes and hours go once what is made of them is made; days count as expired."""
        hours = self.retention.hours
        for tier, age in (
            (Tier.MINUTE, self.retention.minutes),
            (Tier.HOUR, hours),
            (Tier.DAY, hours),
        ):
            if age is None:
                continue
            before = (self._clock.now() - age) // NS_PER_MS
            before = tier.coarser.start_of(before)
            async with self._projection.standing:
                before = min(before, self._projection.unclosed_from(tier.coarser))
                removed = await self._store.rollups.expire(tier, before, ROLLUPS_A_STEP)
            if removed:
                return removed
        return 0


def _parsed(kept: str) -> Retention:
    """Older versions wrote no checksum: what they can not have written is damaged all the same."""
    try:
        return Retention.parse(kept)
    except InvalidInput as error:
        said = f"the setting {SETTING!r} is damaged: {kept!r}; choose it again, by OPS_RETENTION"
        raise StoreUnusable(said) from error
