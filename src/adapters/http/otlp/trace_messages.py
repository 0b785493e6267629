"""The traces of a request in either encoding, under the same names."""

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WholeSpan

from ....domain.span import ROLES, SPAN_ID_LENGTH, TRACE_ID_LENGTH, Words
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
from .messages import Span, Traces
from .span_block import ColumnsOf, Part, SpanObjects
from .span_layout import by_layout
from .uniformity import Uniformity

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


SERVER = frozenset({2, "SPAN_KIND_SERVER"})
_NO_IDS = bytes(TRACE_ID_LENGTH), bytes(SPAN_ID_LENGTH)
_kind, _events = attrgetter("kind"), attrgetter("events")
_NAME_TAG = b"\n"
_NAMES = frozenset(name.encode() for name in ROLES)
_decode_traces = msgspec.json.Decoder(_JsonTraces, strict=False).decode
"""Not strict: where a number is expected, it may be written as a string."""
_decode_event = msgspec.json.Decoder(_JsonEvent).decode


class TraceForm(NamedTuple):
    """How one encoding is read; each may raise `InvalidInput`.

    `part` takes spans as they were decoded, and `span` makes one that has OTLP's fields of it.
    Each attribute is the bytes that `attribute` reads: the same attribute is mostly the same bytes,
    so it is read once.
    `may_matter` tells, faster than that, most of those whose name is none of `ROLES`, as
    `may_be_exception` does most of those events that `event` need not read.
    """

    decode: Callable[[bytes], Any]
    part: Callable[[Sequence[Any], Uniformity], Part]
    span: Callable[[Any], Any]
    ids: Callable[[Any], tuple[bytes, bytes]]
    attribute: Callable[[bytes], tuple[str, Any]]
    may_matter: Callable[[bytes], bool]
    may_be_exception: Callable[[bytes], bool]
    event: Callable[[bytes], SpanEvent]


def _of_objects(rows: Sequence[int], spans: Sequence[Any], columns_of: ColumnsOf) -> Part:
    """Spans that were decoded one by one, and their places."""
    kinds = [*map(_kind, spans)]
    events = [*map(_events, spans)]
    with_events = list(compress(zip(rows, spans, strict=True), events)) if any(events) else []
    served = spans
    if not SERVER.issuperset(kinds):
        are_served = [kind in SERVER for kind in kinds]
        rows, served = list(compress(rows, are_served)), list(compress(spans, are_served))
    blocks = [SpanObjects(np.array(rows, np.int64), served, columns_of)] if served else []
    return Part(blocks, len(spans) - len(served), with_events)


def _protobuf_span(raw: bytes) -> Any:
    return decode_protobuf(Span, raw)


def _protobuf_part(spans: Sequence[bytes], uniformity: Uniformity) -> Part:
    alike = by_layout(spans, uniformity)
    left = [_protobuf_span(spans[row]) for row in alike.left]
    blocks, not_kept, with_events = _of_objects(alike.left, left, _PROTOBUF_COLUMNS)
    eventful = [(row, _protobuf_span(spans[row])) for row in alike.with_events]
    return Part([*alike.blocks, *blocks], alike.not_kept + not_kept, [*eventful, *with_events])


def _protobuf_may_matter(raw: bytes) -> bool:
    """The name comes first, after its tag and its length, which is one byte where it is short."""
    return len(raw) <= 1 or raw[:1] != _NAME_TAG or raw[2 : 2 + raw[1]] in _NAMES


def _protobuf_event(raw: bytes) -> SpanEvent:
    event = decode_protobuf(WholeSpan.Event, raw)
    return SpanEvent(event.name, event.time_unix_nano, protobuf_attributes(event.attributes))


def _json_may_matter(raw: bytes) -> bool:
    return b'"http.' in raw or b"\\" in raw


def _json_event(raw: bytes) -> SpanEvent:
    event = decode_json(_decode_event, raw)
    time = as_int(event.time_unix_nano, "timeUnixNano")
    return SpanEvent(event.name or "", time, json_attributes(event.attributes))


def _words_of(trace_ids: Iterable[bytes], span_ids: Iterable[bytes]) -> Words:
    """The ids as `SpanColumns` has them, where some may be too long or too short."""
    right = [
        (trace_id, span_id)
        if len(trace_id) == TRACE_ID_LENGTH and len(span_id) == SPAN_ID_LENGTH
        else _NO_IDS
        for trace_id, span_id in zip(trace_ids, span_ids, strict=True)
    ]
    columns = ([trace_id for trace_id, _ in right], [span_id for _, span_id in right])
    return _side_by_side(*map(b"".join, columns))


def _side_by_side(trace_ids: bytes, span_ids: bytes) -> Words:
    words = np.empty((len(span_ids) // SPAN_ID_LENGTH, 3), np.uint64)
    words[:, :2] = np.frombuffer(trace_ids, "<u8").reshape(-1, 2)
    words[:, 2] = np.frombuffer(span_ids, "<u8")
    return words


def _have_length(ids: Sequence[Any], length: int) -> bool:
    return {length}.issuperset(map(len, ids))


def _protobuf_ids(trace_ids: Sequence[bytes], span_ids: Sequence[bytes]) -> Words:
    if _have_length(trace_ids, TRACE_ID_LENGTH) and _have_length(span_ids, SPAN_ID_LENGTH):
        return _side_by_side(b"".join(trace_ids), b"".join(span_ids))
    return _words_of(trace_ids, span_ids)


def _json_ids(trace_ids: Sequence[str], span_ids: Sequence[str]) -> Words:
    """All at once, where each is as long as it has to be."""
    if _have_length(trace_ids, 2 * TRACE_ID_LENGTH) and _have_length(span_ids, 2 * SPAN_ID_LENGTH):
        of_traces, of_spans = (_from_hex("".join(ids)) for ids in (trace_ids, span_ids))
        count = len(trace_ids)
        if (len(of_traces), len(of_spans)) == (TRACE_ID_LENGTH * count, SPAN_ID_LENGTH * count):
            return _side_by_side(of_traces, of_spans)
    return _words_of(map(_from_hex, trace_ids), map(_from_hex, span_ids))


def _from_hex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def _json_times(times: Sequence[int | None]) -> Words:
    try:
        return np.array(times if all(times) else [time or 0 for time in times], np.uint64)
    except OverflowError:
        raise InvalidInput.of("", "has a time that is no 64-bit number of ns") from None


_PROTOBUF_COLUMNS = ColumnsOf(_protobuf_ids, lambda times: np.array(times, np.uint64))
_JSON_COLUMNS = ColumnsOf(_json_ids, _json_times)

FORMS = {
    Encoding.PROTOBUF: TraceForm(
        decode=lambda body: decode_protobuf(Traces, body),
        part=_protobuf_part,
        span=_protobuf_span,
        ids=lambda span: (span.trace_id, span.span_id),
        attribute=protobuf_attribute,
        may_matter=_protobuf_may_matter,
        may_be_exception=lambda raw: b"exception" in raw,
        event=_protobuf_event,
    ),
    Encoding.JSON: TraceForm(
        decode=lambda body: decode_json(_decode_traces, body),
        part=lambda spans, _: _of_objects(range(len(spans)), spans, _JSON_COLUMNS),
        span=lambda span: span,
        ids=lambda span: (_from_hex(span.trace_id), _from_hex(span.span_id)),
        attribute=json_attribute,
        may_matter=_json_may_matter,
        may_be_exception=lambda raw: b"exception" in raw or b"\\" in raw,
        event=_json_event,
    ),
}
