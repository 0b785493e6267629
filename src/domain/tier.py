"""Spans of time in which samples are rolled up, and the windows that are asked for."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple


class Tier(IntEnum):
    """How long a rollup is, in ms."""

    MINUTE = 60_000
    HOUR = 3_600_000
    DAY = 86_400_000

    def start_of(self, ms: int) -> int:
        """The start of the span in which a moment lies, both in ms since 1970."""
        return ms - ms % self

    @property
    def finer(self) -> "Tier":
        """The next shorter tier, which this one is made of; a minute is made of itself."""
        return max((tier for tier in Tier if tier < self), default=Tier.MINUTE)

    @property
    def coarser(self) -> "Tier":
        """The next longer tier, which is made of this one; a day is made into a day."""
        return min((tier for tier in Tier if tier > self), default=Tier.DAY)


COARSEST_FIRST: Sequence[Tier] = sorted(Tier, reverse=True)


class Window(NamedTuple):
    """The moments [since, until), in ms since 1970."""

    since: int
    until: int

    def holds(self, first_ms: int, last_ms: int) -> bool:
        """Whether it holds both moments, and so everything between them."""
        return self.since <= first_ms and last_ms < self.until


EVER = Window(-1, 1 << 62)


STEPS_MS: Sequence[int] = [
    1000 * seconds
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800),
        *(3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 604_800, 2_592_000),
    )
]
"""Steps that people read easily, in ms."""


def readable_step(span_ms: int, most: int) -> int:
    """The shortest readable step in ms that cuts a span into at most `most` parts."""
    return next((step for step in STEPS_MS if span_ms <= step * (most - 1)), STEPS_MS[-1])
