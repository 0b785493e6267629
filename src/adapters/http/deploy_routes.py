"""Deploys over HTTP."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from ...application.board import Opsboard
from ...application.query_deploys import DEFAULT_DEPLOYS, DEFAULT_WINDOW, MAX_DEPLOYS, Deploy
from ...domain.comparison import Distribution
from ...domain.deploy import Change, Period, RouteChange, State
from .auth import Tokens
from .event_bodies import EventBody
from .event_routes import READ, ServiceFilter, Since, Until
from .metrics_routes import Last
from .parameters import known_parameters


class DeployBody(msgspec.Struct, frozen=True):
    """One deploy as clients see it."""

    event: EventBody
    state: State
    verdict: str
    changes: list[Change]
    before: Period
    after: Period
    routes: list[RouteChange]
    latency: Distribution

    @classmethod
    def of(cls, deploy: Deploy) -> "DeployBody":
        """The same, flat."""
        verdict = deploy.verdict
        return cls(
            EventBody.of(deploy.event),
            verdict.state,
            verdict.verdict,
            verdict.changes,
            deploy.before,
            deploy.after,
            verdict.routes,
            deploy.latency,
        )


def deploy_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """`/deploys`."""

    @route(
        "/deploys", http_method=READ, guards=[tokens.reading, known_parameters], tags=["deploys"]
    )
    async def deploys(
        service: ServiceFilter = None,
        last: Last = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[
            int, QueryParameter(ge=1, le=MAX_DEPLOYS, required=False)
        ] = DEFAULT_DEPLOYS,
        window: Annotated[
            str,
            QueryParameter(
                description="how long before and after is looked at: 1m to 24h", required=False
            ),
        ] = DEFAULT_WINDOW,
    ) -> list[DeployBody]:
        """DEPLOY events, newest first, each with its service before against after."""
        found = await board.deploys.deploys(
            service=service, last=last, since=since, until=until, limit=limit, window=window
        )
        return [DeployBody.of(deploy) for deploy in found]

    return [deploys]
