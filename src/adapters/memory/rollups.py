"""The read model of samples as dictionaries."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ...application.ports import Coverage, CoveringRollup, RollupChange, RollupState, StoredRollup
from ...domain.rollup import Rollups
from ...domain.tier import COARSEST_FIRST, EVER, Tier, Window
from ..rollup_blob import encode_rollups


class MemoryRollups:
    """Rollups by tier and start."""

    def __init__(self) -> None:
        """Start empty."""
        self._state = RollupState()
        self._rollups: dict[Tier, dict[int, StoredRollup]] = {tier: {} for tier in Tier}
        self._settled: dict[int, StoredRollup] = {}
        self._entries: dict[int, set[int]] = {}

    async def load(self) -> RollupState:
        """See `RollupStore.load`."""
        unclosed = [
            (tier, start)
            for tier in (Tier.HOUR, Tier.DAY)
            for start in sorted(
                {tier.start_of(at) for of in Tier if of < tier for at in self._rollups[of]}
            )
            if start not in self._rollups[tier]
        ]
        return replace(self._state, unclosed=unclosed)

    async def save(self, change: RollupChange, expected: int) -> bool:
        """See `RollupStore.save`."""
        stands = (self._state.checkpoint, self._state.settled_upto)
        if stands != (expected, change.settled_upto) or self._is_overtaken(change):
            return False
        self._state = replace(
            self._state,
            checkpoint=change.checkpoint,
            total=change.total,
            series=[replace(seen) for seen in change.series],
            streams=self._state.streams if change.streams is None else change.streams,
        )
        for rollup in change.rollups:
            self._rollups[rollup.tier][rollup.start_ms] = rollup
        self._settled |= {rollup.start_ms: rollup for rollup in change.settled}
        for minute, number in change.minutes:
            self._entries.setdefault(minute, set()).add(number)
        return True

    def _is_overtaken(self, change: RollupChange) -> bool:
        """Whether an hour or day of the changed minutes is stored that is not changed with them."""
        changed = {(rollup.tier, rollup.start_ms) for rollup in change.rollups}
        minutes = [start for tier, start in changed if tier is Tier.MINUTE]
        around = {(tier, tier.start_of(m)) for m in minutes for tier in (Tier.HOUR, Tier.DAY)}
        return any(start in self._rollups[tier] for tier, start in around - changed)

    async def covering(
        self,
        window: Window,
        tiers: Sequence[Tier],
        upto: int | None = None,
        *,
        histograms: bool = True,  # noqa: ARG002 - they are unpacked here
    ) -> Coverage:
        """See `RollupStore.covering`."""
        found: list[CoveringRollup] = []
        covered: set[tuple[Tier, int]] = set()
        partial: list[int] = []
        for tier in COARSEST_FIRST:
            for start, rollup in sorted(self._rollups[tier].items()):
                inside = any((of, of.start_of(start)) in covered for of in Tier if of > tier)
                if inside or rollup.last_ms < window.since or rollup.first_ms >= window.until:
                    continue
                whole = window.holds(rollup.first_ms, rollup.last_ms) or (
                    window.since <= start < window.until and self._is_all_there_is(rollup)
                )
                if tier in tiers and whole and not self._has_later(rollup, upto):
                    covered.add((tier, start))
                    found.append(rollup)
                elif tier is Tier.MINUTE:
                    partial.append(start)
        numbers = {
            number
            for minute in partial
            for number in self._entries.get(minute, ())
            if upto is None or number <= upto
        }
        if window == EVER and len(self._state.expired.series):
            found.append(StoredRollup(Tier.DAY, 0, 0, 0, self._state.expired))
        return Coverage(self._state.checkpoint, found, partial, sorted(numbers))

    def _is_all_there_is(self, rollup: StoredRollup) -> bool:
        """Whether it can not be cut: retention removed what it was made of."""
        if rollup.tier is Tier.MINUTE:
            return not self._entries.get(rollup.start_ms)
        oldest = min(self._rollups[rollup.tier.finer], default=rollup.start_ms + rollup.tier)
        return rollup.start_ms + rollup.tier <= oldest

    def _has_later(self, rollup: StoredRollup, upto: int | None) -> bool:
        """Whether an entry past `upto` has samples in it."""
        if upto is None:
            return False
        minutes = range(rollup.start_ms, rollup.start_ms + rollup.tier, Tier.MINUTE)
        return any(number > upto for m in minutes for number in self._entries.get(m, ()))

    async def stored(self, tier: Tier, starts: Sequence[int]) -> list[StoredRollup]:
        """See `RollupStore.stored`."""
        known = self._rollups[tier]
        return [known[start] for start in starts if start in known]

    async def starts(self, tier: Tier, window: Window = EVER) -> list[int]:
        """See `RollupStore.starts`."""
        return sorted(at for at in self._rollups[tier] if window.holds(at, at))

    async def entries_in(self, minutes: Sequence[int]) -> list[tuple[int, int]]:
        """See `RollupStore.entries_in`."""
        wanted = set(minutes)
        found = (
            (minute, n)
            for minute, numbers in self._entries.items()
            for n in numbers
            if minute in wanted
        )
        return sorted(found)

    async def settled(self, minutes: Sequence[int]) -> list[StoredRollup]:
        """See `RollupStore.settled`."""
        return [self._settled[minute] for minute in minutes if minute in self._settled]

    async def settle(
        self,
        upto: int,
        entries: Sequence[tuple[int, int]],
        settled: Sequence[StoredRollup],
        expected: int,
    ) -> bool:
        """See `RollupStore.settle`."""
        if self._state.settled_upto != expected:
            return False
        for minute, number in entries:
            self._entries[minute].discard(number)
        self._entries = {minute: numbers for minute, numbers in self._entries.items() if numbers}
        self._settled |= {rollup.start_ms: rollup for rollup in settled}
        self._settled = {m: r for m, r in self._settled.items() if m in self._entries}
        self._state = replace(self._state, settled_upto=upto)
        return True

    async def expire(self, tier: Tier, before_ms: int, limit: int) -> int:
        """See `RollupStore.expire`."""
        known = self._rollups[tier]
        before_ms = min(before_ms, tier.coarser.start_of(min(self._entries, default=EVER.until)))
        starts = sorted(start for start in known if start < before_ms)[:limit]
        removed = [known.pop(start) for start in starts]
        if tier is Tier.DAY:
            parts = [self._state.expired, *(rollup.rollups for rollup in removed)]
            self._state = replace(self._state, expired=Rollups.merged(parts))
        return len(removed)

    async def clear(self) -> None:
        """See `RollupStore.clear`."""
        touched = set(self._entries)
        for tier in Tier:
            spans = {tier.start_of(minute) for minute in touched}
            self._rollups[tier] = {s: r for s, r in self._rollups[tier].items() if s not in spans}
        self._rollups[Tier.MINUTE] |= self._settled
        self._entries.clear()
        self._settled.clear()
        upto = self._state.settled_upto
        known = self._state if upto else RollupState(streams=self._state.streams)
        self._state = replace(known, checkpoint=upto, total=None)

    async def size(self) -> Mapping[str, tuple[int, int]]:
        """See `RollupStore.size`."""
        return {
            tier.name.lower(): (
                len(known),
                sum(len(encode_rollups(rollup.rollups)) for rollup in known.values()),
            )
            for tier, known in self._rollups.items()
        }
