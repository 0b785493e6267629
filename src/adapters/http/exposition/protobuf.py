"""Prometheus' protobuf format: `io.prometheus.client.MetricFamily`, each behind its length.

Source: prometheus/client_model, io/prometheus/client/metrics.proto. Histograms are written both
ways, as native ones of schema 5, which is what we have, and with classic buckets: a server takes
the form that it is configured for.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise, repeat

import numpy as np

from ....domain.classic_buckets import cumulative
from ....domain.histogram import SCALE
from ....domain.rollup import Rollups
from ....domain.span_columns import span_columns
from ...zigzag import zigzag
from .family import LABELS_KEPT, Family, Histograms, Kind, Values
from .fields import Constant, Double, Field, Number, Repeated, laid_out, sum_of_lengths
from .varints import varint

_VARINT, _FIXED64, _BYTES = 0, 1, 2
_TYPES = {Kind.COUNTER: 0, Kind.GAUGE: 1, Kind.HISTOGRAM: 4}
_VALUE_FIELDS = {Kind.GAUGE: 2, Kind.COUNTER: 3}
_double = struct.Struct("<d").pack
_ZERO_THRESHOLD = 2.0**-128
"""What `client_golang` has: only zero itself counts as zero."""


def _tag(field: int, kind: int) -> bytes:
    return varint(field << 3 | kind)


def _field(field: int, content: bytes) -> bytes:
    return b"".join([_tag(field, _BYTES), varint(len(content)), content])


_COUNT, _SUM = _tag(1, _VARINT), _tag(2, _FIXED64)
_SCHEMA_AND_THRESHOLD = b"".join(
    [_tag(5, _VARINT), varint(SCALE << 1), _tag(6, _FIXED64), _double(_ZERO_THRESHOLD)]
)
_ZERO_COUNT, _DELTAS = _tag(7, _VARINT), _tag(13, _BYTES)
_METRIC, _HISTOGRAM = _tag(4, _BYTES), _tag(7, _BYTES)
_BUCKET, _CUMULATIVE_COUNT, _UPPER_BOUND = _tag(3, _BYTES), _tag(1, _VARINT), _tag(2, _FIXED64)
_SPAN, _OFFSET, _LENGTH = _tag(12, _BYTES), _tag(1, _VARINT), _tag(2, _VARINT)


class Protobuf:
    """Encodes as delimited protobuf."""

    def head(self, family: Family, length: int) -> bytes:
        """See `Encoder.head`; a family of nothing is left out."""
        if not length:
            return b""
        fields = _family_fields(family, family.name)
        return varint(len(fields) + length) + fields

    def histograms(self, some: Histograms, cuts: Sequence[int]) -> Iterator[bytes]:
        """See `Encoder.histograms`."""
        columns = [map(_label, repeat(name), values) for name, values in some.labels]
        labels = list(map(b"".join, zip(*columns, strict=True))) or [b""] * len(some.rollups.series)
        of_labels = np.fromiter(map(len, labels), np.int64, len(labels))
        fields = _histogram(some.rollups, some.bounds)
        head = Number(_HISTOGRAM, sum_of_lengths(fields))
        metric = Number(_METRIC, of_labels + sum_of_lengths([head, *fields]))
        octets, upto = laid_out([metric, head, *fields])
        encoded, starts = octets.tobytes(), upto.tolist()
        places = (upto[:-1] + metric.lengths).tolist()
        for first, end in pairwise([0, *cuts]):
            around = [starts[first], *places[first:end], starts[end]]
            before, *after = [encoded[start:stop] for start, stop in pairwise(around)]
            between = zip(labels[first:end], after, strict=True)
            yield b"".join(chain([before], chain.from_iterable(between)))

    def values(self, values: Values) -> bytes:
        """See `Encoder.values`; a family of nothing is left out."""
        family = values.family
        if not values.samples:
            return b""
        name = f"{family.name}_total" if family.kind is Kind.COUNTER else family.name
        fields = _family_fields(family, name)
        for labels, value in values.samples:
            number = _tag(1, _FIXED64) + _double(value)
            fields += _field(
                4,
                b"".join(_label(*label) for label in labels)
                + _field(_VALUE_FIELDS[family.kind], number),
            )
        return varint(len(fields)) + fields

    def end(self) -> bytes:
        """See `Encoder.end`."""
        return b""


def _family_fields(family: Family, name: str) -> bytes:
    kind = _tag(3, _VARINT) + varint(_TYPES[family.kind])
    return _field(1, name.encode()) + _field(2, family.help.encode()) + kind


@lru_cache(LABELS_KEPT)
def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _histogram(rollups: Rollups, bounds: Sequence[float]) -> Sequence[Field]:
    """The fields of each series' `Histogram`."""
    spans, deltas = _native(rollups)
    return [
        Number(_COUNT, rollups.count),
        Double(_SUM, rollups.sum_ns / 1e9),
        _classic(rollups, bounds),
        Constant(_SCHEMA_AND_THRESHOLD, len(rollups.series)),
        Number(_ZERO_COUNT, rollups.zero_count),
        spans,
        Number(_DELTAS, deltas.lengths),
        deltas,
    ]


def _classic(rollups: Rollups, bounds: Sequence[float]) -> Field:
    """Each series' `Bucket` messages."""
    series = len(rollups.series)
    fields: Sequence[Field] = [
        Number(_CUMULATIVE_COUNT, cumulative(rollups, bounds).reshape(-1)),
        Double(_UPPER_BOUND, np.tile(bounds, series)),
    ]
    head = Number(_BUCKET, sum_of_lengths(fields))
    return Repeated([head, *fields], np.arange(series + 1) * len(bounds))


def _native(rollups: Rollups) -> tuple[Field, Field]:
    """Each series' `BucketSpan` messages, and its deltas without what stands before them."""
    found = span_columns(rollups)
    fields = [Number(_OFFSET, zigzag(found.gaps)), Number(_LENGTH, found.lengths)]
    head = Number(_SPAN, sum_of_lengths(fields))
    return (
        Repeated([head, *fields], found.spans_upto),
        Repeated([Number(b"", zigzag(found.deltas))], found.deltas_upto),
    )
