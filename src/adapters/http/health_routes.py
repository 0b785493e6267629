"""Health over HTTP: for people, for load balancers, for Kubernetes."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler

from ...application.board import Opsboard
from ...application.health import all_hold

OK = {"ok": True}


def health_routes(board: Opsboard) -> Sequence[HTTPRouteHandler]:
    """`/health`, `/livez` and `/readyz`; never behind a token, since probes have none."""

    @route("/health", http_method=["GET", "HEAD"], tags=["health"])
    async def health() -> Response[dict[str, Any]]:
        """Whether the server can serve and its store can take a write."""
        store = await board.health.store()
        if store.ok:
            return Response(OK)
        body = {"ok": False, "checks": {"store": {"ok": False, "detail": store.detail}}}
        return Response(body, status_code=HTTPStatus.SERVICE_UNAVAILABLE)

    @route("/livez", http_method=["GET", "HEAD"], tags=["health"])
    async def livez() -> dict[str, Any]:
        """Whether the process runs."""
        return OK

    @route("/readyz", http_method=["GET", "HEAD"], tags=["health"])
    async def readyz() -> Response[dict[str, Any]]:
        """Every check by name: the store takes writes, projections are caught up."""
        checks = await board.health.ready()
        ok = all_hold(list(checks.values()))
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        return Response({"ok": ok, "checks": checks}, status_code=status)

    return [health, livez, readyz]
