"""Requests that are almost right, and some that are nothing at all, for every route with a body."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import zstandard
from google.protobuf.message import Message
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from ...fakes import START_NS
from ..otlp import attributes, encoded, logs, record, span, traces

JSON, NDJSON, PROTOBUF = "application/json", "application/x-ndjson", "application/x-protobuf"
BODIES = ("/events", "/samples", "/v1/traces", "/v1/logs", "/v1/metrics")
MAX_FLIPS = 4

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "identity": lambda body: body,
}


class Fuzzed(NamedTuple):
    """A request: where it goes, its headers beside the token, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes


texts = st.text(max_size=90) | st.sampled_from(
    [
        "",
        "\0",
        "\ud800",
        "x" * 1_001,
        "../../etc/passwd",
        "<script>",
        "' OR 1=1 --",
        "%s%n",
        "\r\nA: b",
    ]
)
numbers = st.integers(-(2**70), 2**70) | st.floats(width=64)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
known = st.sampled_from(["INFO", "warn", "OPS", "AUDIT", "shop", "GET", "/cart/{id}", 200, 12.5])


def objects(*fields: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with most of these fields, right or wrong, and now and then one that is unknown."""
    some: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(fields, known | values)
    return st.fixed_dictionaries({}, optional=some | {"unknown": values})


events = objects("level", "type", "service", "message", "meta") | st.builds(
    lambda **given: given,
    level=st.sampled_from(["debug", "INFO", "Warn", "ERROR", "fatal"]),
    type=st.from_regex(r"[A-Z][A-Z0-9_]{0,31}", fullmatch=True),
    service=texts,
    message=texts,
    meta=st.dictionaries(texts, values, max_size=6),
)
samples = objects("route", "method", "status_code", "latency_ms", "service", "ts") | st.builds(
    lambda **given: given,
    route=texts,
    method=st.sampled_from(["GET", "POST", "BREW"]),
    status_code=st.integers(90, 610),
    latency_ms=numbers,
)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def lines(rows: list[Any]) -> bytes:
    return b"\n".join(map(as_json, rows))


@st.composite
def otlp(draw: st.DrawFn, path: str) -> tuple[str, bytes]:
    """An export in either encoding, with attributes of any kind."""
    kind = draw(st.sampled_from([PROTOBUF, JSON]))
    said = {
        name: value
        for name, value in draw(st.dictionaries(texts, values, max_size=5)).items()
        if _fits(name) and _fits(value)
    }
    message: Message
    if path == "/v1/logs":
        message = logs(record(draw(st.just("hi") | st.just(said)), said=said))
    elif path == "/v1/traces":
        message = traces(span(draw(st.integers(1, 2**60)), said=said, end=draw(_times)))
    else:
        message = ExportMetricsServiceRequest()
        resource = message.resource_metrics.add()
        resource.resource.attributes.extend(attributes({"service.name": "fuzz", **said}))
        metric = resource.scope_metrics.add().metrics.add(name="http.server.request.duration")
        point = metric.histogram.data_points.add(
            count=draw(st.integers(0, 2**64 - 1)),
            sum=draw(st.floats()),
            bucket_counts=draw(st.lists(st.integers(0, 2**64 - 1), max_size=4)),
            explicit_bounds=draw(st.lists(st.floats(), max_size=3)),
            time_unix_nano=draw(_times),
        )
        point.attributes.extend(attributes({"http.request.method": "GET", **said}))
        metric.histogram.aggregation_temporality = draw(st.integers(0, 2))  # type: ignore[assignment]
    return kind, encoded(message, kind)


_times = st.integers(0, 2**64 - 1) | st.just(START_NS)


def _fits(value: Any) -> bool:
    """Whether protobuf can hold it: text in UTF-8, numbers of 64 bits."""
    if isinstance(value, str):
        return value.isascii() or max(value) <= "\ud7ff"
    if isinstance(value, dict):
        return all(_fits(name) and _fits(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or isinstance(value, bool) or -(2**63) <= value < 2**63


@st.composite
def bodies(draw: st.DrawFn, path: str) -> tuple[str, bytes]:
    """A body of a route, and its content type."""
    if path == "/events":
        return JSON, as_json(draw(events | values))
    if path == "/samples":
        rows = draw(st.lists(samples | values, max_size=5))
        if draw(st.booleans()):
            return NDJSON, lines(rows)
        return JSON, as_json(rows if draw(st.booleans()) or not rows else rows[0])
    return draw(otlp(path))


@st.composite
def spoilt(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with some of its bytes changed, cut off, doubled, or none of it left."""
    how = draw(st.sampled_from(["flip", "cut", "double", "other", "deep"]))
    if how == "cut":
        return body[: draw(st.integers(0, len(body)))]
    if how == "double":
        return body + body[draw(st.integers(0, len(body))) :]
    if how == "other":
        return draw(st.binary(max_size=200))
    if how == "deep":
        return draw(st.sampled_from([b"[", b'{"a":', b"\x0a\x80\x01"])) * 5_000
    changed = bytearray(body)
    for _ in range(draw(st.integers(1, MAX_FLIPS)) if changed else 0):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


@st.composite
def requests(draw: st.DrawFn) -> Fuzzed:
    """Any request with a body."""
    path = draw(st.sampled_from(BODIES))
    kind, body = draw(bodies(path))
    if draw(st.booleans()):
        body = draw(spoilt(body))
    headers = {"Content-Type": kind}
    if draw(st.integers(0, 3)) == 0:
        coding = draw(st.sampled_from([*CODINGS]))
        body = CODINGS[coding](body)
        headers["Content-Encoding"] = coding
        if draw(st.integers(0, 3)) == 0:
            body = draw(spoilt(body))
    if draw(st.integers(0, 9)) == 0:
        headers["Idempotency-Key"] = draw(st.text("ab9~", max_size=2))
    if draw(st.integers(0, 19)) == 0:
        headers["Content-Type"] = draw(st.sampled_from(["", "text/plain", JSON, NDJSON, PROTOBUF]))
    return Fuzzed(path, headers, body)
