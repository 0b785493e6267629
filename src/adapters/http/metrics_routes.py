"""Request metrics over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import HttpMethod, Request, Response
from litestar import route as route_
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from ...application.board import Opsboard
from ...domain.metrics import MetricsSnapshot
from .auth import Tokens
from .exposition import MEDIA_TYPES, exposition
from .negotiation import preferred
from .parameters import known_parameters

Name = Annotated[str | None, QueryParameter(description="exactly this one", required=False)]
Moment = Annotated[str | None, QueryParameter(description="an RFC 3339 time", required=False)]

Last = Annotated[
    str | None, QueryParameter(description="a window such as 15m, 1h, 7d", required=False)
]


def metrics_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """The routes below `/metrics`."""

    @route_(
        "/metrics",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        guards=[tokens.reading, known_parameters],
        tags=["metrics"],
        responses={200: ResponseSpec(MetricsSnapshot, description="the snapshot")},
    )
    async def metrics(
        request: Request[Any, Any, Any],
        service: Name = None,
        route: Name = None,
        method: Name = None,
        last: Last = None,
        since: Moment = None,
        until: Moment = None,
        as_of: Moment = None,
    ) -> Response[Any]:
        """The metrics snapshot: a row for each service, route, method and status code.

        JSON, unless Accept prefers Prometheus' text format or OpenMetrics.
        """
        question = board.metrics_queries.question(
            service=service,
            route=route,
            method=method,
            last=last,
            since=since,
            until=until,
            as_of=as_of,
        )
        headers = {"Vary": "Accept"}
        accept = ",".join(request.headers.getall("accept", []))
        if preferred(accept, ["application/json", *MEDIA_TYPES]) not in MEDIA_TYPES:
            snapshot = await board.metrics_queries.snapshot(question)
            return Response(snapshot, headers=headers)
        answer = await board.metrics_queries.answer(question)
        text, content_type = exposition(answer, board.samples.dropped, accept)
        return Response(text, headers={**headers, "Content-Type": content_type})

    return [metrics]
