"""The log records of a request in either encoding, as values."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope

from ....domain.log_record import LogRecord
from ....domain.validation import InvalidInput
from .attributes import (
    JsonKeyValue,
    JsonValue,
    as_int,
    json_attributes,
    json_value,
    protobuf_attribute,
    protobuf_value,
)
from .encoding import Encoding, decode_json, decode_protobuf
from .messages import Logs
from .resources import Resource

_SEVERITY_NAME = "SEVERITY_NUMBER_"


class _JsonLogRecord(msgspec.Struct, rename="camel"):
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    severity_number: int | str | None = None
    severity_text: str | None = None
    body: JsonValue | None = None
    attributes: list[JsonKeyValue] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class _JsonScope(msgspec.Struct):
    name: str | None = None


class _JsonScopeLogs(msgspec.Struct, rename="camel"):
    scope: _JsonScope | None = None
    log_records: list[_JsonLogRecord] | None = None


class _JsonResourceLogs(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    scope_logs: list[_JsonScopeLogs] | None = None


class _JsonLogs(msgspec.Struct, rename="camel"):
    resource_logs: list[_JsonResourceLogs] | None = None


_decode_logs = msgspec.json.Decoder(_JsonLogs).decode


class LogForm(NamedTuple):
    """How one encoding is read; each may raise `InvalidInput`.

    `record` takes a log record, its resource and the name of its scope, which is the logger's.
    """

    decode: Callable[[bytes], Any]
    scope_name: Callable[[Any], str]
    record: Callable[[Any, Resource, str], LogRecord]


def _protobuf_scope_name(scope: bytes) -> str:
    name: str = decode_protobuf(InstrumentationScope, scope).name
    return name


def _protobuf_record(said: Any, resource: Resource, scope_name: str) -> LogRecord:
    return LogRecord(
        origin=resource.origin,
        scope=scope_name,
        time=said.time_unix_nano or said.observed_time_unix_nano,
        severity_number=said.severity_number,
        severity_text=_text(said.severity_text, "severity_text"),
        body=protobuf_value(decode_protobuf(AnyValue, said.body)),
        attributes=dict(map(protobuf_attribute, said.attributes)),
        trace_id=said.trace_id.hex(),
        span_id=said.span_id.hex(),
        event_name=_text(said.event_name, "event_name"),
    )


def _text(raw: bytes, name: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidInput.of(name, "must be UTF-8") from None


def _json_scope_name(scope: _JsonScope | None) -> str:
    return (scope.name if scope else None) or ""


def _json_record(said: _JsonLogRecord, resource: Resource, scope_name: str) -> LogRecord:
    time = as_int(said.time_unix_nano, "timeUnixNano")
    number, name = _severity(said.severity_number)
    return LogRecord(
        origin=resource.origin,
        scope=scope_name,
        time=time or as_int(said.observed_time_unix_nano, "observedTimeUnixNano"),
        severity_number=number,
        severity_text=said.severity_text or name,
        body=json_value(said.body),
        attributes=json_attributes(said.attributes),
        trace_id=said.trace_id or "",
        span_id=said.span_id or "",
        event_name=said.event_name or "",
    )


def _severity(number: int | str | None) -> tuple[int, str]:
    """The number, or the name that the protocol has for it."""
    if isinstance(number, str) and number.startswith(_SEVERITY_NAME):
        return 0, number.removeprefix(_SEVERITY_NAME)
    return as_int(number, "severityNumber"), ""


FORMS = {
    Encoding.PROTOBUF: LogForm(
        decode=lambda body: decode_protobuf(Logs, body),
        scope_name=_protobuf_scope_name,
        record=_protobuf_record,
    ),
    Encoding.JSON: LogForm(
        decode=lambda body: decode_json(_decode_logs, body),
        scope_name=_json_scope_name,
        record=_json_record,
    ),
}
