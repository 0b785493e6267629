"""Histograms as their senders counted them, and what of them is known at scale 5.

Sources: OpenTelemetry metrics data model, "Histogram" and "ExponentialHistogram". A bucket holds
the values above its lower bound, up to and with its upper one.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from .histogram import MIN_SCALE, SCALE
from .sample import MAX_LATENCY_NS, Ints

MAX_COUNT = 1 << 48
MAX_SCALE = 20

_PLACES = 1 << SCALE
_NS = 1_000_000_000
_LOWEST = math.floor(math.log2(1e-9) * _PLACES)
"""The bucket of a nanosecond."""
_LINEAR = 10 * _PLACES
"""So many buckets below a bound hold all but a thousandth of what is spread evenly from 0."""


class UnusableHistogram(ValueError):
    """It can not be one of request latencies; the text says why."""


class MeasuredHistogram(msgspec.Struct, frozen=True, array_like=True):
    """Counts by bucket (sparse), as they were sent.

    With a `scale`, bucket `i` ends at `2^((i + 1) / 2^scale)`; without, at `bounds[i]`, and the
    last one nowhere. Bounds are in units of `unit_ns`. `zero_count` are those up to `zero_upto`.
    All latencies lie from `min_ns` to `max_ns`, where these are known.
    """

    count: int
    sum_ns: int
    buckets: dict[int, int]
    unit_ns: int = _NS
    min_ns: int | None = None
    max_ns: int | None = None
    bounds: tuple[float, ...] = ()
    scale: int | None = None
    zero_count: int = 0
    zero_upto: float = 0.0

    def check(self) -> None:
        """Raises `UnusableHistogram` where it contradicts itself, or is of no latencies."""
        for wrong, reason in (
            (not 0 <= self.count <= MAX_COUNT, f"the count must be 0 to {MAX_COUNT}"),
            (
                not 0 <= self.sum_ns <= self.count * MAX_LATENCY_NS,
                "the sum must be that of latencies of 0 to a day",
            ),
            (not self._adds_up(), "the buckets must add up to the count"),
            (
                not 0 <= (self.min_ns or 0) <= self._at_most_ns <= MAX_LATENCY_NS,
                "the least and greatest must be latencies of 0 to a day",
            ),
            (
                not self._has_bounds(),
                "the bounds must be finite, ascend, and be one fewer than the buckets",
            ),
            (
                self.scale is not None and not MIN_SCALE <= self.scale <= MAX_SCALE,
                f"the scale must be {MIN_SCALE} to {MAX_SCALE}",
            ),
        ):
            if wrong:
                raise UnusableHistogram(reason)
        if any(low > _HIGHEST for low, _, _ in self._ranges()):
            raise UnusableHistogram("it has latencies of more than a day")
        if self.scale is None and any(self.bounds[i : i + 1] < (0,) for i in self._below_last()):
            raise UnusableHistogram("it has latencies below 0")

    @property
    def _at_most_ns(self) -> int:
        return MAX_LATENCY_NS if self.max_ns is None else self.max_ns

    def _adds_up(self) -> bool:
        counts = self.buckets.values()
        return self.zero_count + sum(counts) == self.count and min(counts, default=1) > 0

    def _below_last(self) -> list[int]:
        return [i for i in self.buckets if i < len(self.bounds)]

    def _has_bounds(self) -> bool:
        ascend = all(a < b for a, b in zip(self.bounds, self.bounds[1:], strict=False))
        if self.scale is None and not all(0 <= i <= len(self.bounds) for i in self.buckets):
            return False
        return ascend and all(map(math.isfinite, (*self.bounds, self.zero_upto)))

    def since(self, earlier: "MeasuredHistogram") -> "MeasuredHistogram | None":
        """What was counted since an earlier state of the same counter; None where something fell.

        An exponential one may have become coarser since.
        """
        if (self.unit_ns, self.bounds, self.scale is None) != (
            earlier.unit_ns,
            earlier.bounds,
            earlier.scale is None,
        ):
            return None
        before = dict(earlier.buckets)
        if self.scale is not None and earlier.scale is not None:
            if self.scale > earlier.scale or self.zero_upto != earlier.zero_upto:
                return None
            before = coarser(before, earlier.scale - self.scale)
        buckets = {i: self.buckets.get(i, 0) - before.get(i, 0) for i in before | self.buckets}
        since = msgspec.structs.replace(
            self,
            count=self.count - earlier.count,
            sum_ns=self.sum_ns - earlier.sum_ns,
            zero_count=self.zero_count - earlier.zero_count,
            buckets={i: count for i, count in buckets.items() if count},
        )
        counts = (since.count, since.sum_ns, since.zero_count, *since.buckets.values())
        return since if min(counts) >= 0 else None

    def spread(self) -> "Spread":
        """The same requests at scale 5, each within the bounds that it was sent with.

        Buckets as fine as ours are merged exactly. The requests of a wider one are laid out evenly
        in the logarithm of the latency; those of one that starts at 0, evenly in the latency.
        """
        counts: dict[int, int] = {}
        zero_count, max_ns = self.zero_count if self.zero_upto <= 0 else 0, 0
        for low, high, count in self._ranges():
            tight = self._tightened(low, high)
            max_ns = max(max_ns, self._greatest(tight[1]))
            if tight[1] == -math.inf:
                zero_count += count
                continue
            first, portions = laid_out(*tight, count)
            for bucket, portion in enumerate(portions, start=first):
                if portion:
                    counts[bucket] = counts.get(bucket, 0) + portion
        return Spread(zero_count, counts, max_ns)

    def _ranges(self) -> Iterator[tuple[float, float, int]]:
        """Lower and upper place (see `_place`) of each bucket, and its count."""
        unit = _place(self.unit_ns)
        if self.zero_count and self.zero_upto > 0:
            yield -math.inf, _place(self.zero_upto * self.unit_ns), self.zero_count
        if self.scale is None:
            ends = [_place(bound * self.unit_ns) for bound in self.bounds]
            for i, count in self.buckets.items():
                yield ([-math.inf, *ends])[i], ([*ends, math.inf])[i], count
            return
        width = 2.0 ** (SCALE - self.scale)
        for i, count in self.buckets.items():
            yield i * width + unit, (i + 1) * width + unit, count

    def _tightened(self, low: float, high: float) -> tuple[float, float]:
        """A bucket's bounds, as near to each other as least, greatest and mean allow."""
        if self.max_ns is not None and low < (greatest := _place(self.max_ns)) < high:
            high = greatest
        if self.min_ns is not None and low < (least := _place(self.min_ns)) < high:
            low = least
        if high == math.inf:
            high = low if low > -math.inf else _place(self.sum_ns / self.count)
            return high, high
        return low, min(high, _HIGHEST)

    def _greatest(self, high: float) -> int:
        """In ns the place up to which latencies lie; as it was sent where that is the greatest."""
        if self.max_ns is not None and high >= _place(self.max_ns):
            return self.max_ns
        return round(_NS * math.exp2(high / _PLACES))


class Spread(NamedTuple):
    """Requests at scale 5; `max_ns` is the greatest latency, or else the greatest possible one."""

    zero_count: int
    buckets: dict[int, int]
    max_ns: int


def _place(ns: float) -> float:
    """Where a latency lies on the scale on which bucket `i` is (i, i + 1]; a second lies at 0."""
    return math.log2(ns / _NS) * _PLACES if ns > 0 else -math.inf


_HIGHEST = _place(MAX_LATENCY_NS)


def coarser(buckets: dict[int, int], steps: int) -> dict[int, int]:
    """The counts at a scale that is lower by so many steps."""
    counts: dict[int, int] = {}
    for bucket, count in buckets.items():
        counts[bucket >> steps] = counts.get(bucket >> steps, 0) + count
    return counts


def laid_out(low: float, high: float, count: int) -> tuple[int, Sequence[int]]:
    """Requests that lie between two places, laid out evenly: the first bucket, and the counts.

    The middles of `count` equal parts are counted in the bucket that each lies in: the counts add
    up, one request alone lies in the middle, and nothing is left to chance. Below `low`, which may
    be minus infinity, the place of 0, there is nothing.
    """
    last = max(math.ceil(high) - 1, _LOWEST)
    if low == -math.inf:
        first = max(last - _LINEAR, _LOWEST)
        upto = np.exp2((np.arange(first + 1, last + 2) - high) / _PLACES)
    else:
        first = min(max(math.floor(low), _LOWEST), last)
        if first == last:
            return first, [count]
        upto = (np.arange(first + 1, last + 2) - low) / (high - low)
    upto[-1] = 1.0
    middles: Ints = np.floor(count * np.minimum(upto, 1.0) + 0.5).astype(np.int64)
    portions: list[int] = np.diff(middles, prepend=0).tolist()
    return first, portions
