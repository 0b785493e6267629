"""What the same rollups make, merged once: a page asks each second for mostly the same."""

from collections.abc import Iterable, Sequence
from itertools import chain

from ..domain.rollup import Rollups
from ..domain.taken_out import taken_out

MAX_CELLS = 2_000_000
FEWEST = 24
"""Parts of which fewer would fit are not gathered at all: they would only be held for nothing."""


class RepeatedMerge:
    """Remembers the last merge, and the very parts that it was made of.

    More than `MAX_CELLS`, or parts of which fewer than `FEWEST` would fit, are merged as they come,
    and not remembered.
    """

    def __init__(self) -> None:
        """Nothing was merged yet."""
        self._last: tuple[Sequence[Rollups], Rollups] = ((), Rollups.none())

    def merged(self, parts: Iterable[Rollups]) -> Rollups:
        """Of everything that the parts count."""
        some: list[Rollups] = []
        cells = 0
        left = iter(parts)
        for part in left:
            some.append(part)
            cells += len(part.cell)
            if cells > MAX_CELLS or len(part.cell) > MAX_CELLS // FEWEST:
                del part
                return Rollups.merged_in_turn(chain(taken_out(some), left))
        known, merged = self._last
        if len(known) != len(some) or any(a is not b for a, b in zip(known, some, strict=True)):
            merged = Rollups.merged(some)
            self._last = some, merged
        return merged
