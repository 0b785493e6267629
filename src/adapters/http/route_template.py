"""Which route of its framework a request matched, as a template and never as a raw path."""

from collections.abc import MutableMapping
from typing import Any

from ...domain.series_key import UNMATCHED_ROUTE
from .mounts import mounted_at
from .route_tables import RouteTable

REST_OF_PATH = "/{path}"


def route_template(
    scope: MutableMapping[str, Any], root_path: str, table: RouteTable | None
) -> str:
    """The template that Litestar, Starlette or FastAPI left in the scope of a served request.

    `root_path` is the scope's as it was when the request came in: what a framework added to it is
    the prefix of a mounted app. `table` is asked where there is nothing in the scope. All that
    matched no route shares one name.
    """
    template = scope.get("path_template")
    if template is not None:
        return template or _litestar_mount(scope)
    context = scope.get("fastapi")
    route = (context.get("effective_route_context") if context else None) or scope.get("route")
    if route is None:
        mount = mounted_at(scope, root_path)  # FastAPI names no route for one
        found = table(scope, root_path) if table is not None else None
        return mount + REST_OF_PATH if mount else found or UNMATCHED_ROUTE
    if hasattr(route, "routes"):
        return mounted_at(scope, root_path) + REST_OF_PATH
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(path, str):
        return UNMATCHED_ROUTE
    return mounted_at(scope, root_path) + path


def _litestar_mount(scope: MutableMapping[str, Any]) -> str:
    """Litestar names no template for a mounted app; its handler knows where it is mounted."""
    paths = getattr(scope.get("route_handler"), "paths", None)
    return min(paths).rstrip("/") + REST_OF_PATH if paths else UNMATCHED_ROUTE
