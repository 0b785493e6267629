"""The traces of a request in either encoding, under the same names."""

from collections.abc import Callable, Sequence
from operator import add
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ....domain.span import IDS_LENGTH, ROLES
from ....domain.validation import InvalidInput
from .attributes import (
    JsonKeyValue,
    as_int,
    json_attribute,
    json_attributes,
    protobuf_attribute,
    protobuf_attributes,
)
from .encoding import Encoding, decode_json, decode_protobuf
from .messages import Traces

Attributes = dict[str, Any]


class SpanEvent(NamedTuple):
    """An event of a span: its name, its time in ns, and its attributes."""

    name: str
    time: int
    attributes: Attributes


class _JsonStatus(msgspec.Struct):
    code: int | str | None = None


class _JsonSpan(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""
    span_id: str = ""
    kind: int | str | None = None
    start_time_unix_nano: int | None = None
    end_time_unix_nano: int | None = None
    attributes: list[msgspec.Raw] | None = None
    events: list[msgspec.Raw] | None = None
    status: _JsonStatus | None = None


class _JsonScopeSpans(msgspec.Struct, rename="camel"):
    spans: list[_JsonSpan] | None = None


class _JsonResourceSpans(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    scope_spans: list[_JsonScopeSpans] | None = None


class _JsonTraces(msgspec.Struct, rename="camel"):
    resource_spans: list[_JsonResourceSpans] | None = None


class _JsonEvent(msgspec.Struct, rename="camel"):
    name: str | None = None
    time_unix_nano: int | str | None = None
    attributes: list[JsonKeyValue] | None = None


_NAME_TAG = b"\n"
_NAMES = frozenset(name.encode() for name in ROLES)
_decode_traces = msgspec.json.Decoder(_JsonTraces, strict=False).decode
"""Not strict: where a number is expected, it may be written as a string."""
_decode_event = msgspec.json.Decoder(_JsonEvent).decode


class TraceForm(NamedTuple):
    """How one encoding is read; each may raise `InvalidInput`.

    Spans have OTLP's fields. Each attribute is the bytes that `attribute` reads: the same attribute
    is mostly the same bytes, so it is read once.
    `may_matter` tells, faster than that, most of those whose name is none of `ROLES`, as
    `may_be_exception` does most of those events that `event` need not read.
    """

    decode: Callable[[bytes], Any]
    attribute: Callable[[bytes], tuple[str, Any]]
    may_matter: Callable[[bytes], bool]
    ids: Callable[[Sequence[Any], Sequence[Any]], Sequence[bytes]]
    times: Callable[[Sequence[Any]], npt.NDArray[np.uint64]]
    may_be_exception: Callable[[bytes], bool]
    event: Callable[[bytes], SpanEvent]


def _protobuf_may_matter(raw: bytes) -> bool:
    """The name comes first, after its tag and its length, which is one byte where it is short."""
    return len(raw) <= 1 or raw[:1] != _NAME_TAG or raw[2 : 2 + raw[1]] in _NAMES


def _protobuf_event(raw: bytes) -> SpanEvent:
    event = decode_protobuf(Span.Event, raw)
    return SpanEvent(event.name, event.time_unix_nano, protobuf_attributes(event.attributes))


def _json_may_matter(raw: bytes) -> bool:
    return b'"http.' in raw or b"\\" in raw


def _json_event(raw: bytes) -> SpanEvent:
    event = decode_json(_decode_event, raw)
    time = as_int(event.time_unix_nano, "timeUnixNano")
    return SpanEvent(event.name or "", time, json_attributes(event.attributes))


def _protobuf_ids(trace_ids: Sequence[bytes], span_ids: Sequence[bytes]) -> Sequence[bytes]:
    return list(map(add, trace_ids, span_ids))


def _json_ids(trace_ids: Sequence[str], span_ids: Sequence[str]) -> Sequence[bytes]:
    """All at once, where each is as long as it has to be."""
    pairs = list(map(add, trace_ids, span_ids))
    if set(map(len, pairs)) == {2 * IDS_LENGTH}:
        together = _from_hex("".join(pairs))
        if len(together) == len(pairs) * IDS_LENGTH:
            starts = range(0, len(together), IDS_LENGTH)
            return [together[start : start + IDS_LENGTH] for start in starts]
    return [_from_hex(pair) for pair in pairs]


def _from_hex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def _json_times(times: Sequence[int | None]) -> npt.NDArray[np.uint64]:
    try:
        return np.array([time or 0 for time in times], np.uint64)
    except OverflowError:
        raise InvalidInput.of("", "has a time that is no 64-bit number of ns") from None


FORMS = {
    Encoding.PROTOBUF: TraceForm(
        decode=lambda body: decode_protobuf(Traces, body),
        attribute=protobuf_attribute,
        may_matter=_protobuf_may_matter,
        ids=_protobuf_ids,
        times=lambda times: np.array(times, np.uint64),
        may_be_exception=lambda raw: b"exception" in raw,
        event=_protobuf_event,
    ),
    Encoding.JSON: TraceForm(
        decode=lambda body: decode_json(_decode_traces, body),
        attribute=json_attribute,
        may_matter=_json_may_matter,
        ids=_json_ids,
        times=_json_times,
        may_be_exception=lambda raw: b"exception" in raw or b"\\" in raw,
        event=_json_event,
    ),
}
