"""Prometheus' protobuf format: `io.prometheus.client.MetricFamily`, each behind its length.

Source: prometheus/client_model, io/prometheus/client/metrics.proto. Histograms are written both
ways, as native ones of schema 5, which is what we have, and with classic buckets: a server takes
the form that it is configured for.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, repeat

import numpy as np
import numpy.typing as npt

from ....domain.classic_buckets import cumulative
from ....domain.histogram import SCALE
from ....domain.rollup import Rollups
from ....domain.sample import Ints
from ....domain.span_columns import span_columns
from .family import Family, Histograms, Kind, Labels, Values
from .varints import Varints, cut, lengths_of, varint, write, zigzag

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
_BUCKET, _SPAN = _tag(3, _BYTES)[0], _tag(12, _BYTES)[0]
_OFFSET, _LENGTH = _tag(1, _VARINT)[0], _tag(2, _VARINT)[0]


class Protobuf:
    """Encodes as delimited protobuf."""

    def head(self, family: Family, length: int) -> bytes:
        """See `Encoder.head`; a family of nothing is left out."""
        if not length:
            return b""
        fields = _family_fields(family, family.name)
        return varint(len(fields) + length) + fields

    def histograms(self, part: Histograms) -> bytes:
        """See `Encoder.histograms`."""
        rollups = part.rollups
        deltas_of, spans = _native(rollups)
        fields = [
            repeat(_COUNT), Varints.of(rollups.count).each,
            repeat(_SUM), _doubles(rollups.sum_ns / 1e9),
            _classic(rollups, part.bounds),
            repeat(_SCHEMA_AND_THRESHOLD),
            repeat(_ZERO_COUNT), Varints.of(rollups.zero_count).each,
            spans,
            repeat(_DELTAS), Varints.of(_lengths(deltas_of)).each, deltas_of,
        ]  # fmt: skip
        histograms = list(map(b"".join, zip(*fields, strict=False)))
        labels = [_labels(each) for each in part.labels]
        sizes = _lengths(histograms)
        wrapped = Varints.of(sizes)
        metrics = Varints.of(_lengths(labels) + len(_HISTOGRAM) + np.diff(wrapped.upto) + sizes)
        columns = (repeat(_METRIC), metrics.each, labels, repeat(_HISTOGRAM), wrapped.each)
        return b"".join(chain.from_iterable(zip(*columns, histograms, strict=False)))

    def values(self, values: Values) -> bytes:
        """See `Encoder.values`; a family of nothing is left out."""
        family = values.family
        if not values.samples:
            return b""
        name = f"{family.name}_total" if family.kind is Kind.COUNTER else family.name
        fields = _family_fields(family, name)
        for labels, value in values.samples:
            number = _tag(1, _FIXED64) + _double(value)
            fields += _field(4, _labels(labels) + _field(_VALUE_FIELDS[family.kind], number))
        return varint(len(fields)) + fields

    def end(self) -> bytes:
        """See `Encoder.end`."""
        return b""


def _family_fields(family: Family, name: str) -> bytes:
    kind = _tag(3, _VARINT) + varint(_TYPES[family.kind])
    return _field(1, name.encode()) + _field(2, family.help.encode()) + kind


def _labels(labels: Labels) -> bytes:
    return b"".join([_label(name, value) for name, value in labels])


@lru_cache(4096)
def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _classic(rollups: Rollups, bounds: Sequence[float]) -> list[bytes]:
    """Each series' `Bucket` messages: a cumulative count of some bytes, then a bound of eight."""
    counts = cumulative(rollups, bounds).reshape(-1)
    lengths = lengths_of(counts)
    before, after = 3, 9
    upto = np.concatenate([[0], np.cumsum(lengths + (before + after))])
    at = upto[:-1]
    encoded = np.zeros(int(upto[-1]), np.uint8)
    encoded[at] = _BUCKET
    encoded[at + 1] = lengths + (before - 2 + after)
    encoded[at + 2] = _OFFSET
    write(encoded, at + before, counts, lengths)
    limits = b"".join(_tag(2, _FIXED64) + _double(bound) for bound in bounds)
    columns = np.frombuffer(limits, np.uint8).reshape(-1, after)
    ends = (upto[1:] - after).reshape(-1, len(bounds))
    for column in range(after):
        encoded[ends + column] = columns[:, column]
    return cut(encoded.tobytes(), upto[:: len(bounds)])


def _native(rollups: Rollups) -> tuple[list[bytes], list[bytes]]:
    """Each series' deltas, without what stands before them, and its `BucketSpan` messages."""
    found = span_columns(rollups)
    fields = np.empty((len(found.gaps), 6), np.int64)
    fields[:, 0], fields[:, 2], fields[:, 4] = _SPAN, _OFFSET, _LENGTH
    fields[:, 3], fields[:, 5] = zigzag(found.gaps), found.lengths
    fields[:, 1] = 2 + lengths_of(fields[:, 3]) + lengths_of(fields[:, 5])
    spans, deltas = Varints.of(fields.reshape(-1)), Varints.of(zigzag(found.deltas))
    return (
        cut(deltas.encoded, deltas.upto[found.deltas_upto]),
        cut(spans.encoded, spans.upto[6 * found.spans_upto]),
    )


def _doubles(values: npt.NDArray[np.float64]) -> list[bytes]:
    return cut(values.astype("<f8").tobytes(), 8 * np.arange(len(values) + 1))


def _lengths(pieces: Sequence[bytes]) -> Ints:
    return np.fromiter(map(len, pieces), np.int64, len(pieces))
