"""Request metrics over time, and what is known, over HTTP."""

from collections.abc import Sequence
from typing import Annotated

from litestar import HttpMethod
from litestar import route as route_
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from ...application.board import Opsboard
from ...application.query_catalogue import KnownRoute, KnownService
from ...application.query_series import MAX_POINTS
from ...domain.time_series import GROUPINGS, Heatmap, TimeSeries
from .auth import Tokens
from .metrics_routes import Name, Question, question_asked_of
from .parameters import known_parameters

Step = Annotated[
    str | None,
    QueryParameter(
        description=f"the time between points, such as 30s, 5m, 1h: whole minutes, or what divides "
        f"one; at most {MAX_POINTS} points; chosen if left out",
        required=False,
    ),
]
By = Annotated[
    str | None,
    QueryParameter(
        description=f"what to tell apart, with commas between: {', '.join(GROUPINGS)}",
        required=False,
    ),
]


def series_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """`/metrics/series`, `/metrics/heatmap`, `/services` and `/routes`."""
    guards = [tokens.reading, known_parameters]
    asked = {"question": question_asked_of(board)}
    methods: Sequence[HttpMethod] = [HttpMethod.GET, HttpMethod.HEAD]

    @route_(
        "/metrics/series", http_method=methods, guards=guards, dependencies=asked, tags=["metrics"]
    )
    async def metrics_series(question: Question, step: Step = None, by: By = None) -> TimeSeries:
        """Rate, errors and latencies over time, for each group; the last hour if not said."""
        return await board.series_queries.series(question, step, by)

    @route_(
        "/metrics/heatmap", http_method=methods, guards=guards, dependencies=asked, tags=["metrics"]
    )
    async def metrics_heatmap(question: Question, step: Step = None) -> Heatmap:
        """How many requests took how long, over time; the last hour if not said."""
        return await board.series_queries.heatmap(question, step)

    @route_("/services", http_method=methods, guards=guards, tags=["metrics"])
    async def services() -> list[KnownService]:
        """Every service that sent a sample, with when it was first and last seen."""
        return await board.catalogue.services()

    @route_("/routes", http_method=methods, guards=guards, tags=["metrics"])
    async def routes(service: Name = None) -> list[KnownRoute]:
        """Every route, with when it was first and last seen."""
        return await board.catalogue.routes(service)

    return [metrics_series, metrics_heatmap, services, routes]
