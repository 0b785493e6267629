"""What the same rollups make, merged once: a page asks each second for mostly the same."""

from collections import OrderedDict
from collections.abc import Hashable
from itertools import chain, takewhile
from typing import TypeAlias

from ..domain.rollup import Rollups
from ..domain.taken_out import taken_out
from ..domain.tier import Tier
from .ports import CoveringRollup

MAX_CELLS = 700_000
"""Of 16 bytes each, in all that is remembered: some 11 MiB."""

Names: TypeAlias = tuple[Hashable, ...]


class RepeatedMerge:
    """Remembers what the last questions' rollups made, by the names of these.

    What hours and days make is remembered by itself: they stay when a minute comes or goes, and to
    unpack them is most of the work.
    """

    def __init__(self, max_cells: int = MAX_CELLS) -> None:
        """Nothing was merged yet."""
        self._max_cells = max_cells
        self._cells = 0
        self._known: OrderedDict[Names, Rollups] = OrderedDict()

    def merged(self, parts: list[CoveringRollup]) -> Rollups:
        """Of everything that the parts count, the coarsest of which come first; empties the list.

        Raises `StoreUnavailable` for one that is damaged.
        """
        coarse = sum(1 for _ in takewhile(lambda part: part.tier > Tier.MINUTE, parts))
        return self._merged(parts, tuple(part.name for part in parts), coarse)

    def _merged(self, parts: list[CoveringRollup], names: Names, coarse: int) -> Rollups:
        if (known := self._known.get(names)) is not None:
            self._known.move_to_end(names)
            return known
        first: list[Rollups] = []
        if 0 < coarse < len(parts):
            those = parts[:coarse]
            del parts[:coarse]
            first = [self._merged(those, names[:coarse], coarse)]
        others = (part.rollups for part in taken_out(parts))
        merged = Rollups.merged_in_turn(chain(taken_out(first), others))
        self._remember(names, merged)
        return merged

    def _remember(self, names: Names, merged: Rollups) -> None:
        if _weight(names, merged) > self._max_cells:
            return
        self._known[names] = merged
        self._cells += _weight(names, merged)
        while self._cells > self._max_cells:
            self._cells -= _weight(*self._known.popitem(last=False))


def _weight(names: Names, merged: Rollups) -> int:
    """In cells; a name weighs no less, and there may be many of what has few cells."""
    return len(names) + len(merged.cell)
