"""Exponential histograms as others write them: OpenTelemetry's, and Prometheus' native ones.

Sources: OpenTelemetry metrics data model, "ExponentialHistogram"; Prometheus, "Native Histograms"
(schema, spans and deltas). Both have our buckets at scale 5, so nothing is lost either way.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .histogram import SCALE, ExponentialHistogram

MAX_GAP = 2
"""Prometheus' own: so many empty buckets in a row are written out, more start a span."""


class Dense(NamedTuple):
    """OpenTelemetry's `Buckets`: the counts of consecutive buckets, the first at `offset`."""

    offset: int
    bucket_counts: list[int]


class Spans(NamedTuple):
    """Prometheus' spans, as (gap to the span before, length), and the counts as differences."""

    spans: list[tuple[int, int]]
    deltas: list[int]


def to_dense(histogram: ExponentialHistogram) -> Dense:
    """The buckets as OpenTelemetry has them, at scale 5."""
    if not histogram.buckets:
        return Dense(0, [])
    lowest, highest = min(histogram.buckets), max(histogram.buckets)
    return Dense(lowest, [histogram.buckets.get(b, 0) for b in range(lowest, highest + 1)])


def from_dense(scale: int, dense: Dense) -> dict[int, int]:
    """Counts by bucket at scale 5, out of OpenTelemetry's at this scale or a finer one.

    Raises `ValueError` for a coarser scale, whose buckets can not be told apart.
    """
    if scale < SCALE:
        raise ValueError(f"the scale must be at least {SCALE}, not {scale}")
    counts: dict[int, int] = {}
    for index, count in enumerate(dense.bucket_counts, start=dense.offset):
        if count:
            bucket = index >> (scale - SCALE)
            counts[bucket] = counts.get(bucket, 0) + count
    return counts


def to_spans(histogram: ExponentialHistogram) -> Spans:
    """The buckets as Prometheus has them, of schema 5.

    Its bucket `i` ends where OpenTelemetry's does, but is counted from one.
    """
    spans: list[tuple[int, int]] = []
    deltas: list[int] = []
    previous_count, end = 0, 0
    for bucket in sorted(histogram.buckets):
        index = bucket + 1
        gap = index - end
        if spans and gap <= MAX_GAP:
            offset, length = spans[-1]
            spans[-1] = (offset, length + gap + 1)
            if gap:
                deltas += [-previous_count, *[0] * (gap - 1)]
                previous_count = 0
        else:
            spans.append((gap, 1))
        count = histogram.buckets[bucket]
        deltas.append(count - previous_count)
        previous_count, end = count, index + 1
    return Spans(spans, deltas)


def from_spans(spans: Spans) -> dict[int, int]:
    """Counts by bucket at scale 5, out of Prometheus' of schema 5."""
    counts: dict[int, int] = {}
    count = 0
    for index, delta in zip(_indexes(spans.spans), spans.deltas, strict=True):
        count += delta
        if count:
            counts[index - 1] = count
    return counts


def _indexes(spans: Sequence[tuple[int, int]]) -> Iterator[int]:
    end = 0
    for gap, length in spans:
        yield from range(end + gap, end + gap + length)
        end += gap + length
