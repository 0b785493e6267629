"""How the services are, over HTTP."""

from collections.abc import Sequence

from litestar import route
from litestar.handlers import HTTPRouteHandler

from ...application.board import Opsboard
from ...application.query_overview import Overview
from .auth import Tokens
from .event_routes import READ
from .metrics_routes import Last, Moment, Name
from .parameters import known_parameters


def overview_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """`/overview`."""
    guards = [tokens.reading, known_parameters]

    @route("/overview", http_method=READ, guards=guards, tags=["metrics"])
    async def overview(
        service: Name = None,
        last: Last = None,
        since: Moment = None,
        until: Moment = None,
        as_of: Moment = None,
    ) -> Overview:
        """Each service against the time before, and what needs attention; by default the last hour.

        An empty `attention` means that all is well.
        """
        question = board.metrics_queries.question(
            service=service, last=last, since=since, until=until, as_of=as_of
        )
        return await board.overview_queries.overview(question)

    return [overview]
