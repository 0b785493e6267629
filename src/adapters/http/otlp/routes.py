"""The routes of OTLP over HTTP."""

from collections.abc import Callable, Sequence
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

_ANSWERED = "answered by Export, which stands before this description"


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

    async def export_traces() -> dict[str, Any]:
        """Keep server spans as request samples, and recorded exceptions as events."""
        raise AssertionError(_ANSWERED)

    async def export_logs() -> dict[str, Any]:
        """Keep log records as operational events."""
        raise AssertionError(_ANSWERED)

    async def export_metrics() -> dict[str, Any]:
        """Merge histograms of request durations into the metrics of their services."""
        raise AssertionError(_ANSWERED)

    def route(path: str, signal: Signal, described: Callable[..., Any]) -> HTTPRouteHandler:
        export = Export(signal, tokens)

        def answer_raw(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
            return export

        return post(
            path,
            status_code=200,
            middleware=[answer_raw],
            operation_class=_ExportOperation,
            tags=["opentelemetry"],
        )(described)

    return [
        route("/v1/traces", TraceSignal(board), export_traces),
        route("/v1/logs", LogSignal(board), export_logs),
        route("/v1/metrics", MetricSignal(board), export_metrics),
    ]
