"""Base-2 exponential histograms, as OpenTelemetry and Prometheus' native histograms have them.

Source of the bucket formula: OpenTelemetry metrics data model, "Exponential histogram". Bucket `i`
holds the values in (base^i, base^(i+1)] with base = 2^(2^-scale). Values are latencies in seconds
for the index, so that the buckets are those of both wire formats as they stand, and integer
nanoseconds everywhere else.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from .sample import Ints

SCALE = 5
MIN_SCALE = -10
MAX_ERROR = 0.01098
"""How far a quantile may lie from the exact one, relatively."""

_BUCKETS_PER_OCTAVE = 1 << SCALE
_GROWTH = math.exp2(1 / _BUCKETS_PER_OCTAVE)
_NS_OFFSET = math.log2(1e9) * _BUCKETS_PER_OCTAVE
_NARROWEST = _GROWTH * (1 - MAX_ERROR)
_WIDEST = 1 + MAX_ERROR
_CENTRE_OF_BUCKET = math.log2(2 * _GROWTH / (1 + _GROWTH)) * _BUCKETS_PER_OCTAVE


def buckets_of(latencies_ns: Ints) -> Ints:
    """The index of the bucket that holds each latency; all are above zero."""
    # As floats first: log2 of integers makes them such too, and takes longer.
    places = latencies_ns.astype(np.float64)
    np.log2(places, out=places)
    places *= _BUCKETS_PER_OCTAVE
    places -= _NS_OFFSET
    found: Ints = np.ceil(places, out=places).astype(np.int64)
    found -= 1
    return found


def within_buckets(buckets: Ints, fractions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The latency in ns at a fraction (0-1) of each bucket, as near as it can be promised.

    A bucket is 2.19 % wide, so interpolating over all of it would miss by that where its latencies
    lie together at one end. Only the part from which no latency of the bucket is further than
    `MAX_ERROR` is used: about the harmonic mean 2ab/(a+b) of its bounds.
    """
    lower = np.exp2((buckets + _NS_OFFSET) / _BUCKETS_PER_OCTAVE)
    placed: npt.NDArray[np.float64] = lower * (_NARROWEST + (_WIDEST - _NARROWEST) * fractions)
    return placed


def bucket_upto(latency_ns: float) -> int:
    """The last bucket whose centre lies at or below a latency."""
    place = math.log2(latency_ns) * _BUCKETS_PER_OCTAVE - _NS_OFFSET - _CENTRE_OF_BUCKET
    return math.floor(place)


def upper_bound_ms(bucket: int, scale: int) -> float:
    """The greatest latency in ms that a bucket of this scale holds."""
    return 1000 * math.exp2((bucket + 1) / 2**scale)


class ExponentialHistogram(msgspec.Struct):
    """Latencies of one series: counts by bucket (sparse), zeros apart; sum and max exact."""

    buckets: dict[int, int] = msgspec.field(default_factory=dict)
    zero_count: int = 0
    count: int = 0
    sum_ns: int = 0
    max_ns: int = 0

    def add(self, latency_ns: int) -> None:
        """Count one latency of zero or more ns."""
        self.add_all([latency_ns])

    def add_all(self, latencies_ns: Iterable[int] | Ints) -> None:
        """Count latencies of zero or more ns."""
        values = np.fromiter(latencies_ns, np.int64)
        if not len(values):
            return
        positive = values[values > 0]
        self.zero_count += len(values) - len(positive)
        self.count += len(values)
        self.sum_ns += sum(values.tolist())
        self.max_ns = max(self.max_ns, int(values.max()))
        found, counts = np.unique(buckets_of(positive), return_counts=True)
        self._count_buckets(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def merge(self, other: "ExponentialHistogram") -> None:
        """Count everything that the other one counted."""
        self.zero_count += other.zero_count
        self.count += other.count
        self.sum_ns += other.sum_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        self._count_buckets(other.buckets)

    def _count_buckets(self, counts: Mapping[int, int]) -> None:
        for bucket, count in counts.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def quantile(self, q: float) -> float:
        """The nearest-rank quantile (0 < q <= 1) in ns, within 1.1 % of the exact; 0 if empty."""
        rank = math.ceil(q * self.count)
        if rank == self.count:
            return float(self.max_ns)
        seen = self.zero_count
        if rank <= seen:
            return 0.0
        for bucket in sorted(self.buckets):
            within = self.buckets[bucket]
            if rank <= seen + within:
                fraction = np.array([(rank - seen - 0.5) / within])
                placed = float(within_buckets(np.array([bucket]), fraction)[0])
                return min(placed, float(self.max_ns))
            seen += within
        raise AssertionError("the buckets hold fewer latencies than were counted")

    def count_upto(self, latency_ns: float) -> int:
        """How many latencies are at most this many ns; one in the bound's own bucket may err."""
        bound = bucket_upto(latency_ns)
        below = (n for bucket, n in self.buckets.items() if bucket <= bound)
        return self.zero_count + sum(below)

    def downscaled(self, scale: int) -> dict[int, int]:
        """The counts by bucket at a lower scale (-10 to 5), where 2^(5-scale) buckets are one.

        Raises `ValueError` for a scale that is out of range.
        """
        if not MIN_SCALE <= scale <= SCALE:
            raise ValueError(f"the scale must be {MIN_SCALE} to {SCALE}, not {scale}")
        counts: dict[int, int] = {}
        for bucket, count in self.buckets.items():
            wider = bucket >> (SCALE - scale)
            counts[wider] = counts.get(wider, 0) + count
        return counts

    @property
    def mean_ns(self) -> float:
        """The exact mean in ns; 0 if empty."""
        return self.sum_ns / self.count if self.count else 0.0
