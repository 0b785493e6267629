"""The routes of OTLP over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from ....application.board import Opsboard
from ..auth import Tokens
from .encoding import Encoding
from .export import Export, Signal
from .logs import LogSignal
from .metrics import MetricSignal
from .traces import TraceSignal


@dataclass
class _ExportOperation(Operation):
    """The operation in the API document: its body is OTLP's, in either encoding."""

    def __post_init__(self) -> None:
        as_bytes = OpenAPIMediaType(
            schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        )
        as_object = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))
        self.request_body = RequestBody(
            required=True,
            content={
                Encoding.PROTOBUF.value.decode(): as_bytes,
                Encoding.JSON.value.decode(): as_object,
            },
        )


def otlp_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """`/v1/traces`, `/v1/logs` and `/v1/metrics`, which need the token."""

    def answered_by(signal: Signal) -> Any:
        export = Export(signal, tokens)

        def answer_raw(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
            return export

        return [answer_raw]

    @post(
        "/v1/traces",
        status_code=200,
        middleware=answered_by(TraceSignal(board)),
        operation_class=_ExportOperation,
        tags=["opentelemetry"],
    )
    async def export_traces() -> dict[str, Any]:
        """Keep server spans as request samples, and recorded exceptions as events."""
        raise AssertionError("answered by Export, which stands before this description")

    @post(
        "/v1/logs",
        status_code=200,
        middleware=answered_by(LogSignal(board)),
        operation_class=_ExportOperation,
        tags=["opentelemetry"],
    )
    async def export_logs() -> dict[str, Any]:
        """Keep log records as operational events."""
        raise AssertionError("answered by Export, which stands before this description")

    @post(
        "/v1/metrics",
        status_code=200,
        middleware=answered_by(MetricSignal(board)),
        operation_class=_ExportOperation,
        tags=["opentelemetry"],
    )
    async def export_metrics() -> dict[str, Any]:
        """Merge histograms of request durations into the metrics of their services."""
        raise AssertionError("answered by Export, which stands before this description")

    return [export_traces, export_logs, export_metrics]
