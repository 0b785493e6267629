"""What counters stood at that only ever grow, so that what they grew by can be counted."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from .measured import MeasuredHistogram

FIRST_POINT_NS = 24 * 3600 * 1_000_000_000
"""A counter that started longer ago is not counted from its start when it is first met."""
FORGOTTEN_NS = 2 * FIRST_POINT_NS
"""A counter of which the newest point is older is forgotten."""


class CumulativePoint(msgspec.Struct, frozen=True, array_like=True):
    """What a counter stood at: its name (16 bytes, its start in it), ns since 1970, and counts."""

    stream: bytes
    time_ns: int
    histogram: MeasuredHistogram

    def is_followed_by(self, point: "CumulativePoint") -> bool:
        """Whether a point has to be kept in the place of this one.

        One that says the same is, where this one would be forgotten otherwise.
        """
        later_ns = point.time_ns - self.time_ns
        return later_ns > 0 and (
            point.histogram != self.histogram or later_ns > FIRST_POINT_NS // 2
        )


class NotCounted(ValueError):
    """Requests that are known of, but can not be told from those that counted; the text says why.

    The counter's next point counts what comes after this one.
    """


class Growth(NamedTuple):
    """What a counter grew by, since a moment in ns."""

    since_ns: int
    histogram: MeasuredHistogram


def growth(
    known: CumulativePoint | None, point: CumulativePoint, started_ns: int, now_ns: int
) -> Growth | None:
    """What a point counts that the newest known one of its counter does not; None: nothing.

    `started_ns` is when the counter started, 0 where its sender does not say. Raises `NotCounted`
    where nothing may count: a counter that was forgotten may have been counted before.
    """
    if known is None:
        if point.histogram.count == 0:
            return None
        if not now_ns - FIRST_POINT_NS <= started_ns < point.time_ns:
            raise NotCounted(
                "the counter started over a day ago or at an unknown time: it counts from here on"
            )
        return Growth(started_ns, point.histogram)
    if point.time_ns <= known.time_ns:
        return None
    since = point.histogram.since(known.histogram)
    if since is None and started_ns:
        raise NotCounted(
            "the counter fell or changed its buckets without a new start: "
            "do several processes send as one?"
        )
    if since is None:
        return Growth(known.time_ns, point.histogram)
    return Growth(known.time_ns, since) if since.count else None


class CumulativeStreams:
    """A fold of points: the newest of each counter."""

    def __init__(self, points: Iterable[CumulativePoint] = ()) -> None:
        """Start with those that a store knows."""
        self._newest: dict[bytes, CumulativePoint] = {}
        self._bounds: dict[tuple[float, ...], tuple[float, ...]] = {}
        self.evolve(points)
        self.changed = False
        """Whether there is something that the store does not know yet."""

    def __len__(self) -> int:
        """How many counters are known."""
        return len(self._newest)

    def evolve(self, points: Iterable[CumulativePoint]) -> None:
        """Take newer points in; the older ones, which a rebuild meets again, change nothing."""
        for point in points:
            known = self._newest.get(point.stream)
            if known is None or known.time_ns < point.time_ns:
                self._newest[point.stream] = self._slim(point)
                self.changed = True

    def _slim(self, point: CumulativePoint) -> CumulativePoint:
        """The same, with bounds that it has in common with others."""
        bounds = self._bounds.setdefault(point.histogram.bounds, point.histogram.bounds)
        histogram = msgspec.structs.replace(point.histogram, bounds=bounds)
        return CumulativePoint(point.stream, point.time_ns, histogram)

    def newest(self, stream: bytes) -> CumulativePoint | None:
        """The newest point of a counter."""
        return self._newest.get(stream)

    def forget(self, before_ns: int) -> None:
        """Forget the counters whose newest point is older."""
        old = [name for name, point in self._newest.items() if point.time_ns < before_ns]
        for name in old:
            del self._newest[name]
        self.changed = self.changed or bool(old)

    def points(self) -> Sequence[CumulativePoint]:
        """The newest point of each counter."""
        return list(self._newest.values())
