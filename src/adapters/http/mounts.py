"""Where a mounted app of Starlette or FastAPI lies, as the mounts themselves say it."""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

from .route_tables import layers

MOUNTED = "(mounted)"
"""Stands for a prefix that no table explains: its text may hold anything."""


class _Mount(NamedTuple):
    """One mount on the way: what it matched of the path, and its template."""

    matched: str
    template: str


def mounted_at(scope: MutableMapping[str, Any], root_path: str) -> str:
    """The template of all that mounts have added to `root_path`; nothing where none has.

    The outermost router is asked anew which of its mounts match. Nothing is guessed by the values
    of parameters: one may look like any other part of the path.
    """
    now: str = scope.get("root_path", "")
    if len(now) == len(root_path):
        return ""
    outermost: str = scope.get("app_root_path", root_path)
    path: str = scope["path"]
    path = path.removeprefix(outermost)
    way = _way(_routes(scope.get("router")), path, now[len(outermost) :])
    if way is None:
        return MOUNTED
    passed = len(outermost)
    template = ""
    for mount in way:
        if passed >= len(root_path):
            template += mount.template
        passed += len(mount.matched)
    return template


def _way(routes: Iterable[Any], path: str, prefix: str) -> list[_Mount] | None:
    """The mounts that match `path` one within the other and together are `prefix`."""
    if not prefix:
        return []
    for route in routes:
        mount = _matching(route, path)
        if mount is None or not prefix.startswith(mount.matched):
            continue
        rest = len(mount.matched)
        further = _way(_routes(route), path[rest:], prefix[rest:])
        if further is not None:
            return [mount, *further]
    return None


def _matching(route: Any, path: str) -> _Mount | None:
    """How a mount matches the path; a route for a host matches it without taking any of it."""
    if not hasattr(route, "routes"):
        return None
    if not hasattr(route, "path_regex"):
        return _Mount("", "")
    match = route.path_regex.match(path)
    if match is None:
        return None
    matched = path[: len(path) - len(match["path"]) - 1]
    return _Mount(matched, route.path_format.removesuffix("/{path}"))


def _routes(holder: Any) -> Iterator[Any]:
    """The routes of a router or a mount, also where another middleware stands before them."""
    for layer in layers(holder):
        if found := getattr(layer, "routes", None):
            yield from found
            return
