"""Spans as an exporter of Python's SDK sends them, new ones in every request."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opsboard.adapters.http.otlp.encoding import Encoding
from opsboard.adapters.http.otlp.trace_messages import FORMS

from .load import post_request

SPANS = 512
"""As many as the SDKs put into a request, unless they are told otherwise."""

_SEED = 7
_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


class FreshSpans:
    """A request with `SPANS` spans, whose ids are new each time it is made."""

    def __init__(self, encoding: Encoding, token: str) -> None:
        """`body` is that of one such request."""
        traces = _traces()
        self._is_json = encoding is Encoding.JSON
        self.body = _as_json(traces) if self._is_json else traces.SerializeToString()
        headers = {"Content-Type": encoding.value.decode()}
        request = post_request("/v1/traces", self.body, token, headers)
        spans = traces.resource_spans[0].scope_spans[0].spans
        self._request = np.frombuffer(request, np.uint8).copy()
        self._places = np.array([self._places_of(request, span) for span in spans])
        self._random = np.random.default_rng(_SEED)

    def _places_of(self, request: bytes, span: Span) -> list[int]:
        """Where the bytes of its ids stand."""
        ids = (span.trace_id, span.span_id)
        written = [id.hex().encode() for id in ids] if self._is_json else ids
        return [
            start + offset
            for id in written
            for start in [request.index(id)]
            for offset in range(len(id))
        ]

    def __call__(self) -> bytes:
        """The next request."""
        self._request[self._places] = self._ids()
        return self._request.tobytes()

    def _ids(self) -> npt.NDArray[np.uint8]:
        if self._is_json:
            return _HEX_DIGITS[self._random.integers(0, 16, self._places.shape)]
        return self._random.integers(1, 256, self._places.shape, np.uint8)


def parse(encoding: Encoding) -> Callable[[bytes], Any]:
    """What it takes to read such a body at all: every field in protobuf, what we read in JSON."""
    if encoding is Encoding.PROTOBUF:
        return ExportTraceServiceRequest.FromString
    return FORMS[Encoding.JSON].decode


def _traces() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    sent.resource.attributes.append(_attribute("service.name", "shop"))
    sent.resource.attributes.append(_attribute("telemetry.sdk.language", "python"))
    now = time.time_ns()
    random = np.random.default_rng(_SEED)
    sent.scope_spans.add().spans.extend(_span(i, now, random) for i in range(SPANS))
    return request


def _span(i: int, now: int, random: np.random.Generator) -> Span:
    route = f"/carts/{{id}}/items/{i % 40}"
    attributes: dict[str, str | int] = {
        "http.scheme": "http",
        "http.host": "10.0.0.7:8000",
        "net.host.port": 8000,
        "http.flavor": "1.1",
        "http.target": f"/carts/{i}/items/{i % 40}",
        "http.url": f"http://10.0.0.7:8000/carts/{i}/items/{i % 40}",
        "http.method": "GET",
        "http.server_name": "shop.example",
        "http.user_agent": "python-httpx/0.28.1",
        "net.peer.ip": "10.0.0.9",
        "net.peer.port": 40_000 + i,
        "http.route": route,
        "http.status_code": 200 if i % 50 else 500,
    }
    return Span(
        trace_id=random.bytes(16),
        span_id=random.bytes(8),
        name=f"GET {route}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=now - 5_000_000 - 1_000 * i,
        end_time_unix_nano=now,
        attributes=[_attribute(name, value) for name, value in attributes.items()],
    )


def _attribute(name: str, value: str | int) -> KeyValue:
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))


def _as_json(traces: ExportTraceServiceRequest) -> bytes:
    said = MessageToDict(traces, use_integers_for_enums=True)
    for span in said["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(said, separators=(",", ":")).encode()
