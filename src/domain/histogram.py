"""Base-2 exponential histograms, as OpenTelemetry and Prometheus' native histograms have them.

Source of the bucket formula: OpenTelemetry metrics data model, "Exponential histogram". Bucket `i`
holds the values in (base^i, base^(i+1)] with base = 2^(2^-scale). Values are latencies in seconds
for the index, so that the buckets are those of both wire formats as they stand, and integer
nanoseconds everywhere else.
"""

import math
from collections import Counter
from collections.abc import Iterable

import msgspec

SCALE = 5

_BUCKETS_PER_OCTAVE = 1 << SCALE
_GROWTH = math.exp2(1 / _BUCKETS_PER_OCTAVE)
_NS_OFFSET = math.log2(1e9) * _BUCKETS_PER_OCTAVE
_CENTRE = 2 * _GROWTH / (1 + _GROWTH)


def bucket_of(latency_ns: int) -> int:
    """The index of the bucket that holds a latency above zero."""
    return math.ceil(math.log2(latency_ns) * _BUCKETS_PER_OCTAVE - _NS_OFFSET) - 1


def centre_of(bucket: int) -> float:
    """The latency in ns that is nearest, relatively, to all that the bucket can hold.

    The harmonic mean of the bounds, 2ab/(a+b): off by at most (growth-1)/(growth+1) = 1.09 %.
    """
    return math.exp2((bucket + _NS_OFFSET) / _BUCKETS_PER_OCTAVE) * _CENTRE


class ExponentialHistogram(msgspec.Struct):
    """Latencies of one series: counts by bucket (sparse), zeros apart; sum and max exact."""

    buckets: dict[int, int] = msgspec.field(default_factory=dict)
    zero_count: int = 0
    count: int = 0
    sum_ns: int = 0
    max_ns: int = 0

    def add(self, latencies_ns: Iterable[int]) -> None:
        """Count latencies of zero or more ns."""
        values = list(latencies_ns)
        if not values:
            return
        positive = [value for value in values if value > 0]
        self.zero_count += len(values) - len(positive)
        self.count += len(values)
        self.sum_ns += sum(values)
        self.max_ns = max(self.max_ns, *values)
        self._count_buckets(Counter(map(bucket_of, positive)))

    def merge(self, other: "ExponentialHistogram") -> None:
        """Count everything that the other one counted."""
        self.zero_count += other.zero_count
        self.count += other.count
        self.sum_ns += other.sum_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        self._count_buckets(other.buckets)

    def _count_buckets(self, counts: dict[int, int]) -> None:
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
            seen += self.buckets[bucket]
            if rank <= seen:
                return min(centre_of(bucket), float(self.max_ns))
        raise AssertionError("the buckets hold fewer latencies than were counted")

    def count_upto(self, latency_ns: float) -> int:
        """How many latencies are at most this many ns; one in the bound's own bucket may err."""
        below = (n for bucket, n in self.buckets.items() if centre_of(bucket) <= latency_ns)
        return self.zero_count + sum(below)

    @property
    def mean_ns(self) -> float:
        """The exact mean in ns; 0 if empty."""
        return self.sum_ns / self.count if self.count else 0.0
