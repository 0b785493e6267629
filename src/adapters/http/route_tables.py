"""Frameworks that leave no route in the scope: Quart and Django, whose own tables are asked again.

Asking again costs some 10 us a request, and gives what the table alone knows. It needs the
framework's app to be found behind the middleware, through those that keep what they wrap as `app`,
`application` or a bound method. Where it is not found (behind Channels' routers, say), or where the
framework routes by more than its table (Django's `request.urlconf`), a request has no route.
"""

import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from functools import lru_cache
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
RouteTable: TypeAlias = Callable[[Scope, str], str | None]
"""The template that a scope's path and method match; `root_path` is what precedes the path."""

MAX_LAYERS = 32

_PARAMETER = re.compile(r"<(?:[^<>]*:)?([^<>:]+)>")


def route_table(app: Any) -> RouteTable | None:
    """The table of the framework behind `app`, where it is one of these."""
    for layer in layers(app):
        if _is_quart(layer):
            return lambda scope, root_path: _quart_route(layer, scope, root_path)
        if _is_django(layer):
            return django_route
    return None


def layers(app: Any) -> Iterator[Any]:
    """The app, what it wraps, what that wraps, and so on."""
    for _ in range(MAX_LAYERS):
        if app is None:
            return
        yield app
        wraps = (getattr(app, name, None) for name in ("app", "application", "__self__"))
        app = next((inner for inner in wraps if inner is not None), None)


def path_within(scope: Scope, root_path: str) -> str:
    """The path without the root path, which servers put before it."""
    path: str = scope["path"]
    return path[len(root_path) :] if root_path and path.startswith(root_path) else path


def _is_quart(app: Any) -> bool:
    quart = sys.modules.get("quart")
    return quart is not None and isinstance(app, quart.Quart)


def _quart_route(app: Any, scope: Scope, root_path: str) -> str | None:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    server_name = host.decode("latin-1") if app.url_map.host_matching else ""
    try:
        rule, _ = app.url_map.bind(server_name).match(
            path_within(scope, root_path), method=scope["method"], return_rule=True
        )
    except Exception:  # noqa: BLE001 - no route, another method, a redirect: each is an exception
        return None
    return with_braces(rule.rule)


def _is_django(app: Any) -> bool:
    django = sys.modules.get("django.core.handlers.asgi")
    return django is not None and isinstance(app, django.ASGIHandler)


def django_route(scope: Scope, root_path: str) -> str | None:
    """The template of Django's that matches the path, asked of its own table."""
    resolvers = sys.modules["django.urls"]
    try:
        match = resolvers.resolve(path_within(scope, root_path))
    except resolvers.Resolver404:
        return None
    return _without_regex(match.route)


@lru_cache(maxsize=4_096)
def _without_regex(route: str) -> str:
    """Both of Django's notations, `<int:id>` and regular expressions, as one."""
    from django.contrib.admindocs import utils  # noqa: PLC0415 - only where Django is

    for cleaned in (
        utils.remove_non_capturing_groups,
        utils.replace_named_groups,
        utils.replace_unnamed_groups,
        utils.replace_metacharacters,
    ):
        route = cleaned(route)
    return "/" + with_braces(route).lstrip("/")


@lru_cache(maxsize=4_096)
def with_braces(rule: str) -> str:
    """A rule such as `/items/<int:id>` with its parameters as `{id}`."""
    return _PARAMETER.sub(r"{\1}", rule)
