"""Query parameters: those that a route does not know are refused, not ignored."""

from typing import Any
from urllib.parse import parse_qsl

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter

from ...domain.validation import InvalidInput, Violation


def known_parameters(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard that refuses a query parameter which the handler does not take, or takes once.

    Raises `InvalidInput` naming each.
    """
    given = connection.query_params.multi_items()
    if not given:
        return
    fields = dict(handler.parsed_fn_signature.parameters)
    for name, dependency in handler.resolve_dependencies().items():
        del fields[name]
        fields |= dependency.parsed_fn_signature.parameters
    known = {
        getattr(field.kwarg_definition, "name", None) or name
        for name, field in fields.items()
        if not isinstance(field.kwarg_definition, HeaderParameter)
    } - {"request", *connection.path_params}
    seen: set[str] = set()
    violations = []
    for name, _ in given:
        if name not in known:
            violations.append(_unknown(name))
        elif name in seen:
            violations.append(Violation(name, "must be given at most once"))
        seen.add(name)
    if violations:
        raise InvalidInput(violations)


def refuse_parameters(query_string: bytes) -> None:
    """The same for a route that takes none at all. Raises `InvalidInput` naming each."""
    if query_string:
        given = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        if given:
            raise InvalidInput(_unknown(name) for name, _ in given)


def _unknown(name: str) -> Violation:
    return Violation(name, "is not a parameter of this route")
