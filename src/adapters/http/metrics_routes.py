"""Request metrics over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from ...application.board import Opsboard
from ...domain.metrics import MetricsSnapshot
from .auth import Tokens
from .parameters import known_parameters

Name = Annotated[str | None, Parameter(description="exactly this one", required=False)]
Moment = Annotated[str | None, Parameter(description="an RFC 3339 time", required=False)]


def metrics_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """The routes below `/metrics`."""

    @get("/metrics", guards=[tokens.reading, known_parameters], tags=["metrics"])
    async def metrics(
        service: Name = None,
        route: Name = None,
        method: Name = None,
        last: Annotated[
            str | None, Parameter(description="a window such as 15m, 1h, 7d", required=False)
        ] = None,
        since: Moment = None,
        until: Moment = None,
        as_of: Moment = None,
    ) -> MetricsSnapshot:
        """The metrics snapshot: a row for each service, route, method and status code."""
        return await board.metrics(
            service=service,
            route=route,
            method=method,
            last=last,
            since=since,
            until=until,
            as_of=as_of,
        )

    return [metrics]
