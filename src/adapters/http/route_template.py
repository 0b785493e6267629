"""Which route of its framework a request matched, as a template and never as a raw path."""

from collections.abc import MutableMapping
from typing import Any

from ...domain.sample import UNMATCHED_ROUTE

REST_OF_PATH = "/{path}"


def route_template(scope: MutableMapping[str, Any], root_path: str) -> str:
    """The template that Litestar, Starlette or FastAPI left in the scope of a served request.

    `root_path` is the scope's as it was when the request came in: what a framework added to it is
    the prefix of a mounted app. All that matched no route shares one name.
    """
    template = scope.get("path_template")
    if template is not None:
        return template or _litestar_mount(scope)
    context = scope.get("fastapi")
    route = (context.get("effective_route_context") if context else None) or scope.get("route")
    if route is None:
        return UNMATCHED_ROUTE
    if hasattr(route, "routes"):
        return _mounted_at(scope, root_path) + REST_OF_PATH
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(path, str):
        return UNMATCHED_ROUTE
    return _mounted_at(scope, root_path) + path


def _litestar_mount(scope: MutableMapping[str, Any]) -> str:
    """Litestar names no template for a mounted app; its handler knows where it is mounted."""
    paths = getattr(scope.get("route_handler"), "paths", None)
    return min(paths).rstrip("/") + REST_OF_PATH if paths else UNMATCHED_ROUTE


def _mounted_at(scope: MutableMapping[str, Any], root_path: str) -> str:
    """The prefix of the mounted app that answered, its own parameters as names again."""
    prefix: str = scope.get("root_path", "")[len(root_path) :]
    if not prefix:
        return ""
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    parts = (f"{{{names[part]}}}" if part in names else part for part in prefix.split("/"))
    return "/".join(parts)
