"""OTLP requests as an exporter makes them, in both encodings."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..fakes import START_NS

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_IDS = {"traceId", "spanId", "parentSpanId"}


def attribute(name: str, value: Any) -> KeyValue:
    """An attribute with a value of text, a bool, a number, or a list or object of these."""
    said = KeyValue(key=name)
    if isinstance(value, bool):
        said.value.bool_value = value
    elif isinstance(value, int):
        said.value.int_value = value
    elif isinstance(value, float):
        said.value.double_value = value
    elif isinstance(value, bytes):
        said.value.bytes_value = value
    elif isinstance(value, list):
        said.value.array_value.values.extend(attribute("", each).value for each in value)
    elif isinstance(value, dict):
        said.value.kvlist_value.values.extend(attribute(n, v) for n, v in value.items())
    elif value is not None:
        said.value.string_value = value
    return said


def attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    return [attribute(name, value) for name, value in values.items()]


def ids(number: int) -> dict[str, bytes]:
    """A trace id and a span id that only this number has."""
    return {"trace_id": number.to_bytes(16, "big"), "span_id": number.to_bytes(8, "big")}


def span(
    number: int,
    *,
    kind: Any = Span.SPAN_KIND_SERVER,
    route: str | None = "/cart/{id}",
    ms: float = 5,
    end: int = START_NS,
    said: Mapping[str, Any] | None = None,
    **more: Any,
) -> Span:
    """A server span of `GET route`, answered 200; `said` and `more` are further attributes."""
    old = {"http.method": "GET", "http.route": route, "http.status_code": 200}
    given = {**old, **(said or {}), **{n.replace("__", "."): v for n, v in more.items()}}
    return Span(
        trace_id=ids(number)["trace_id"],
        span_id=ids(number)["span_id"],
        name="GET",
        kind=kind,
        start_time_unix_nano=max(end - int(ms * 1e6), 0),
        end_time_unix_nano=end,
        attributes=attributes({n: v for n, v in given.items() if v is not None}),
    )


def traces(*spans: Span, **resource: Any) -> ExportTraceServiceRequest:
    """One request with these spans; `resource` are the resource's attributes."""
    said = {"service__name": "shop"} | resource
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    sent.resource.attributes.extend(
        attributes({name.replace("__", "."): value for name, value in said.items()})
    )
    sent.scope_spans.add().spans.extend(spans)
    return request


def record(
    body: Any = "hello",
    *,
    severity: int = 9,
    text: str = "",
    time: int = START_NS,
    said: Mapping[str, Any] | None = None,
) -> LogRecord:
    """A log record; `said` are its attributes."""
    return LogRecord(
        body=attribute("", body).value,
        severity_number=severity,  # type: ignore[arg-type]
        severity_text=text,
        time_unix_nano=time,
        attributes=attributes(said or {}),
    )


def logs(
    *records: LogRecord, scope: str = "", resource: Mapping[str, Any] | None = None
) -> ExportLogsServiceRequest:
    """One request with these log records."""
    request = ExportLogsServiceRequest()
    sent = request.resource_logs.add()
    sent.resource.attributes.extend(attributes({"service.name": "shop", **(resource or {})}))
    of_scope = sent.scope_logs.add()
    of_scope.scope.name = scope
    of_scope.log_records.extend(records)
    return request


def encoded(request: Message, content_type: str) -> bytes:
    """As an exporter sends it."""
    if content_type == PROTOBUF:
        return request.SerializeToString()
    return json.dumps(_as_otlp(MessageToDict(request, use_integers_for_enums=True))).encode()


def _as_otlp(value: Any) -> Any:
    """Ids in hexadecimal, where protobuf's own JSON has base64."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(v).hex() if name in _IDS else _as_otlp(v)
            for name, v in value.items()
        }
    return [_as_otlp(each) for each in value] if isinstance(value, list) else value
