"""Prometheus' protobuf messages, by the library: only the fields that anybody reads here."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "io.prometheus.client"
Field = descriptor_pb2.FieldDescriptorProto

# Name, number and type of each field; `*` before a type that is repeated.
_MESSAGES = {
    "LabelPair": "name 1 string, value 2 string",
    "Gauge": "value 1 double",
    "Counter": "value 1 double",
    "Bucket": "cumulative_count 1 uint64, upper_bound 2 double",
    "BucketSpan": "offset 1 sint32, length 2 uint32",
    "Histogram": (
        "sample_count 1 uint64, sample_sum 2 double, bucket 3 *Bucket, schema 5 sint32, "
        "zero_threshold 6 double, zero_count 7 uint64, positive_span 12 *BucketSpan, "
        "positive_delta 13 *sint64"
    ),
    "Metric": "label 1 *LabelPair, gauge 2 Gauge, counter 3 Counter, histogram 7 Histogram",
    "MetricFamily": "name 1 string, help 2 string, type 3 int32, metric 4 *Metric",
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="opsboard_test_metrics.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            field_name, number, kind = field.split()
            added = message.field.add(name=field_name, number=int(number))
            added.label = Field.LABEL_REPEATED if kind[0] == "*" else Field.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in _MESSAGES:
                added.type, added.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                added.type = Field.Type.Value(f"TYPE_{kind.upper()}")
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())
MetricFamily: Any = message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f"{PACKAGE}.MetricFamily")
)


def families(delimited: bytes) -> dict[str, Any]:
    """Every family by its name."""
    found = {}
    at = 0
    while at < len(delimited):
        length = shift = 0
        while True:
            byte = delimited[at]
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        family = MetricFamily.FromString(delimited[at : at + length])
        found[family.name] = family
        at += length
    assert at == len(delimited)
    return found
