"""Request metrics over HTTP."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from litestar import HttpMethod, Request, Response
from litestar import route as route_
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter, SkipValidation
from litestar.response import Stream

from ...application.board import Opsboard
from ...application.query_metrics import MetricsQuestion
from ...domain.metrics import MetricsSnapshot
from .auth import Tokens
from .exposition import Exposition, Part, form_of
from .negotiation import takes_gzip
from .parameters import known_parameters

Name = Annotated[str | None, QueryParameter(description="exactly this one", required=False)]
Moment = Annotated[str | None, QueryParameter(description="an RFC 3339 time", required=False)]

Last = Annotated[
    str | None, QueryParameter(description="a window such as 15m, 1h, 7d", required=False)
]

Question = NamedDependency[SkipValidation[MetricsQuestion]]


def question_asked_of(board: Opsboard) -> Provide:
    """The dependency that makes a question of seven parameters of the query, for every handler.

    It raises `InvalidInput` naming the parameter.
    """

    def question(
        service: Name = None,
        route: Name = None,
        method: Name = None,
        last: Last = None,
        since: Moment = None,
        until: Moment = None,
        as_of: Moment = None,
    ) -> MetricsQuestion:
        return board.metrics_queries.question(
            service=service,
            route=route,
            method=method,
            last=last,
            since=since,
            until=until,
            as_of=as_of,
        )

    return Provide(question, sync_to_thread=False)


def metrics_routes(board: Opsboard, tokens: Tokens, version: str) -> Sequence[HTTPRouteHandler]:
    """The routes below `/metrics`."""
    exposition = Exposition(board, version)

    @route_(
        "/metrics",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        guards=[tokens.reading, known_parameters],
        dependencies={"question": question_asked_of(board)},
        tags=["metrics"],
        responses={
            200: ResponseSpec(MetricsSnapshot, generate_examples=False, description="the snapshot")
        },
    )
    async def metrics(request: Request[Any, Any, Any], question: Question) -> Response[Any]:
        """The metrics snapshot: a row for each service, route, method and status code.

        JSON, unless Accept prefers Prometheus' text, OpenMetrics or Prometheus' protobuf.
        """
        form = form_of(",".join(request.headers.getall("accept", [])))
        if form is None:
            snapshot = await board.metrics_queries.snapshot(question)
            return Response(snapshot, headers={"Vary": "Accept"})
        headers = {"Vary": "Accept, Accept-Encoding", "Content-Type": form.content_type}
        if takes_gzip(",".join(request.headers.getall("accept-encoding", []))):
            file = await exposition.gzipped(question, form)
            headers["Content-Encoding"] = "gzip"
            return Response(file, headers=headers)
        parts = await exposition.parts(question, form)
        headers["Content-Length"] = str(sum(part.length for part in parts))
        return Stream(_inflated(parts), headers=headers)

    return [metrics]


async def _inflated(parts: Sequence[Part]) -> AsyncIterator[bytes]:
    """The whole answer is never held at once: of many series it is tens of MB."""
    for part in parts:
        yield part.content
