"""The metrics of a request in either encoding, under the same names."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from ....domain.validation import InvalidInput
from .attributes import JsonKeyValue, as_int, json_attributes, protobuf_attributes
from .encoding import Encoding, decode_json, decode_protobuf

HISTOGRAM, EXPONENTIAL = "histogram", "exponential_histogram"
_KINDS = ("gauge", "sum", HISTOGRAM, EXPONENTIAL, "summary")
_TEMPORALITIES = {
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
}
_Int = int | str | None
_Float = float | str | None


class _JsonBuckets(msgspec.Struct, rename="camel"):
    offset: _Int = None
    bucket_counts: list[int | str] | None = None


class _JsonPoint(msgspec.Struct, rename="camel"):
    attributes: list[JsonKeyValue] | None = None
    start_time_unix_nano: _Int = None
    time_unix_nano: _Int = None
    count: _Int = None
    sum: _Float = None
    min: _Float = None
    max: _Float = None
    flags: _Int = None
    bucket_counts: list[int | str] | None = None
    explicit_bounds: list[float | str] | None = None
    scale: _Int = None
    zero_count: _Int = None
    zero_threshold: _Float = None
    positive: _JsonBuckets | None = None
    negative: _JsonBuckets | None = None


class _JsonHistogram(msgspec.Struct, rename="camel"):
    data_points: list[_JsonPoint] | None = None
    aggregation_temporality: _Int = None


class _JsonOther(msgspec.Struct, rename="camel"):
    data_points: list[msgspec.Raw] | None = None


class _JsonMetric(msgspec.Struct, rename="camel"):
    name: str | None = None
    unit: str | None = None
    gauge: _JsonOther | None = None
    sum: _JsonOther | None = None
    summary: _JsonOther | None = None
    histogram: _JsonHistogram | None = None
    exponential_histogram: _JsonHistogram | None = None


class _JsonScope(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    attributes: list[JsonKeyValue] | None = None


class _JsonScopeMetrics(msgspec.Struct, rename="camel"):
    scope: _JsonScope = msgspec.field(default_factory=_JsonScope)
    metrics: list[_JsonMetric] | None = None


class _JsonResource(msgspec.Struct):
    attributes: list[JsonKeyValue] | None = None


class _JsonResourceMetrics(msgspec.Struct, rename="camel"):
    resource: _JsonResource = msgspec.field(default_factory=_JsonResource)
    scope_metrics: list[_JsonScopeMetrics] | None = None


class _JsonMetrics(msgspec.Struct, rename="camel"):
    resource_metrics: list[_JsonResourceMetrics] | None = None


_decode_metrics = msgspec.json.Decoder(_JsonMetrics).decode


class MetricForm(NamedTuple):
    """How one encoding is read; each but `kind` may raise `InvalidInput`.

    Messages have OTLP's fields. `number` is what a field of a whole number says, `measured` what
    one of a measurement does: None where it says nothing, or what is no number.
    """

    decode: Callable[[bytes], Any]
    attributes: Callable[[Any], Mapping[str, Any]]
    kind: Callable[[Any], str | None]
    number: Callable[[Any, str], int]
    measured: Callable[[Any, str], float | None]
    bounds: Callable[[Any], tuple[float, ...]]
    counts: Callable[[Any], list[int]]


def _protobuf_measured(point: Any, name: str) -> float | None:
    value = getattr(point, name)
    said = name == "zero_threshold" or point.HasField(name)
    return value if said and not math.isnan(value) else None


def _json_kind(metric: _JsonMetric) -> str | None:
    return next((kind for kind in _KINDS if getattr(metric, kind) is not None), None)


def _json_number(message: Any, name: str) -> int:
    value = getattr(message, name)
    return as_int(_TEMPORALITIES.get(value, value), name)


def _json_measured(point: _JsonPoint, name: str) -> float | None:
    value = getattr(point, name)
    found = None if value is None else _as_float(value)
    return None if found is None or math.isnan(found) else found


def _as_float(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidInput.of("", "has a value that is no number") from None


FORMS = {
    Encoding.PROTOBUF: MetricForm(
        decode=lambda body: decode_protobuf(ExportMetricsServiceRequest, body),
        attributes=lambda message: protobuf_attributes(message.attributes),
        kind=lambda metric: metric.WhichOneof("data"),
        number=getattr,
        measured=_protobuf_measured,
        bounds=lambda point: tuple(point.explicit_bounds),
        counts=lambda buckets: list(buckets.bucket_counts),
    ),
    Encoding.JSON: MetricForm(
        decode=lambda body: decode_json(_decode_metrics, body),
        attributes=lambda message: json_attributes(message.attributes),
        kind=_json_kind,
        number=_json_number,
        measured=_json_measured,
        bounds=lambda point: tuple(map(_as_float, point.explicit_bounds or ())),
        counts=lambda buckets: [
            as_int(count, "bucketCounts") for count in (buckets and buckets.bucket_counts) or ()
        ],
    ),
}
