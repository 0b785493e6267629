"""The slowest requests over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from litestar import route as route_
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from ...application.board import Opsboard
from ...application.query_slowest import DEFAULT_SAMPLES, MAX_SAMPLES, SlowSample
from .auth import Tokens
from .event_routes import READ
from .metrics_routes import Last, Moment, Name
from .parameters import known_parameters

MAX_STATUS = 999


def slowest_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """`/samples/slowest`."""

    @route_(
        "/samples/slowest",
        http_method=READ,
        guards=[tokens.reading, known_parameters],
        tags=["samples"],
    )
    async def slowest_samples(
        service: Name = None,
        route: Name = None,
        method: Name = None,
        status_code: Annotated[
            int | None,
            QueryParameter(
                ge=0, le=MAX_STATUS, description="only answers of this status", required=False
            ),
        ] = None,
        last: Last = None,
        since: Moment = None,
        until: Moment = None,
        limit: Annotated[
            int, QueryParameter(ge=1, le=MAX_SAMPLES, required=False)
        ] = DEFAULT_SAMPLES,
    ) -> list[SlowSample]:
        """The slowest requests, slowest first; of the last hour if not said."""
        question = board.metrics_queries.question(
            service=service, route=route, method=method, last=last, since=since, until=until
        )
        return await board.slowest_queries.slowest(question, status_code, limit)

    return [slowest_samples]
