"""Protobuf messages of our own, with only the fields that are looked at here.

Fields and their numbers are those of opentelemetry-proto and of google/rpc/status.proto. What is
looked at rarely is left as bytes: to parse a span so, and walk it, takes a third of the time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "opsboard"
_F = FieldDescriptorProto
_KINDS = {
    "bytes": _F.TYPE_BYTES,
    "string": _F.TYPE_STRING,
    "int32": _F.TYPE_INT32,
    "int64": _F.TYPE_INT64,
    "fixed64": _F.TYPE_FIXED64,
}

_MESSAGES: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "Traces": [("resource_spans", 1, "repeated ResourceSpans")],
    "ResourceSpans": [("resource", 1, "bytes"), ("scope_spans", 2, "repeated ScopeSpans")],
    "ScopeSpans": [("spans", 2, "repeated bytes")],
    "Span": [
        ("trace_id", 1, "bytes"),
        ("span_id", 2, "bytes"),
        ("kind", 6, "int32"),
        ("start_time_unix_nano", 7, "fixed64"),
        ("end_time_unix_nano", 8, "fixed64"),
        ("attributes", 9, "repeated bytes"),
        ("events", 11, "repeated bytes"),
        ("status", 15, "SpanStatus"),
    ],
    "SpanStatus": [("code", 3, "int32")],
    "Logs": [("resource_logs", 1, "repeated ResourceLogs")],
    "ResourceLogs": [("resource", 1, "bytes"), ("scope_logs", 2, "repeated ScopeLogs")],
    "ScopeLogs": [("scope", 1, "bytes"), ("log_records", 2, "repeated LogRecord")],
    "LogRecord": [
        ("time_unix_nano", 1, "fixed64"),
        ("severity_number", 2, "int32"),
        ("severity_text", 3, "bytes"),
        ("body", 5, "bytes"),
        ("attributes", 6, "repeated bytes"),
        ("trace_id", 9, "bytes"),
        ("span_id", 10, "bytes"),
        ("observed_time_unix_nano", 11, "fixed64"),
        ("event_name", 12, "bytes"),
    ],
    "ExportResponse": [("partial_success", 1, "PartialSuccess")],
    "PartialSuccess": [("rejected", 1, "int64"), ("error_message", 2, "string")],
    "Status": [("code", 1, "int32"), ("message", 2, "string")],
}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="opsboard.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, said in fields:
            kind = said.removeprefix("repeated ")
            field = message.field.add(name=field_name, number=number)
            field.label = _F.LABEL_REPEATED if said != kind else _F.LABEL_OPTIONAL
            field.type = _KINDS.get(kind, _F.TYPE_MESSAGE)
            if kind not in _KINDS:
                field.type_name = f".{_PACKAGE}.{kind}"
    return file


_pool = DescriptorPool()
_pool.Add(_file())


def _message(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Traces = _message("Traces")
"""`ExportTraceServiceRequest`; resources and spans are bytes."""
Span = _message("Span")
"""`Span`; attributes and events are bytes."""
Logs = _message("Logs")
"""`ExportLogsServiceRequest`; text is bytes, so that one wrong character spoils one record."""
ExportResponse = _message("ExportResponse")
"""What every export is answered with: the responses of the signals differ in names only."""
Status = _message("Status")
"""`google.rpc.Status`, the body of an error."""
