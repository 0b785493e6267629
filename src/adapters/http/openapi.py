"""The API document: what Litestar derives from the routes, with the tokens and the problems."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, Reference, SecurityScheme

_DESCRIPTION = """Health, request latency, errors and operational events, folded from one journal.
Times are RFC 3339 in UTC, latencies milliseconds. Every error is application/problem+json."""


def openapi_config(version: str) -> OpenAPIConfig:
    """How the document is made; it is served by the page routes, so Litestar's own stay off."""
    schemes: dict[str, SecurityScheme | Reference] = {
        "X-Ops-Token": SecurityScheme(
            type="apiKey", name="X-Ops-Token", security_scheme_in="header"
        ),
        "Bearer": SecurityScheme(type="http", scheme="bearer"),
    }
    return OpenAPIConfig(
        title="opsboard",
        version=version,
        description=_DESCRIPTION,
        components=Components(security_schemes=schemes),
        security=[{"X-Ops-Token": []}, {"Bearer": []}],
        render_plugins=[],
    )


class Parameter(msgspec.Struct, frozen=True):
    """One parameter or body field of an operation, for the viewer."""

    name: str
    place: str
    required: bool
    description: str


class Operation(msgspec.Struct, frozen=True):
    """One operation, for the viewer."""

    method: str
    path: str
    summary: str
    parameters: list[Parameter]


def operations(schema: Mapping[str, Any]) -> list[Operation]:
    """Every operation of the document, HEAD left out, in the order of its paths."""
    return [
        Operation(method.upper(), path, _said(operation), list(_parameters(schema, operation)))
        for path, methods in sorted(schema["paths"].items())
        for method, operation in methods.items()
        if method != "head"
    ]


def _said(operation: Mapping[str, Any]) -> str:
    text: str = operation.get("description") or operation.get("summary") or ""
    return text


def _parameters(schema: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Parameter]:
    for p in operation.get("parameters") or ():
        yield Parameter(p["name"], p["in"], p.get("required", False), p.get("description") or "")
    content = (operation.get("requestBody") or {}).get("content", {})
    for media in content.values():
        body = _resolve(schema, media["schema"])
        required = body.get("required") or ()
        for name, field in body.get("properties", {}).items():
            said = _resolve(schema, field).get("description") or field.get("description") or ""
            yield Parameter(name, "body", name in required, said)


def _resolve(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = part.get("$ref")
    if reference is None:
        return part
    found: Mapping[str, Any] = schema["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return found
