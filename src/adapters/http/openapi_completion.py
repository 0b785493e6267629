"""What Litestar can not derive from the routes: errors, who may ask, and further media types."""

from collections.abc import Iterator
from typing import Any

from .exposition import Form
from .problems import MEDIA_TYPE

Document = dict[str, Any]

_OPEN = frozenset({"/", "/health", "/livez", "/readyz", "/session"})
_OTLP = "/v1/"
_READS = frozenset({"get", "head"})
_PROBLEM = {
    "type": "object",
    "description": "A problem as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_ANY_PROBLEM = {
    "description": "a problem",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_ANY_STATUS = {
    "description": "a google.rpc.Status",
    "content": {"application/json": {"schema": {}}, "application/x-protobuf": {"schema": {}}},
}


def completed(document: Document, *, reads_are_open: bool) -> Document:
    """The document, with every error, and without a token where none is asked for."""
    document["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
    for path, method, operation in _operations(document):
        _complete_responses(path, operation["responses"])
        if path in _OPEN or (reads_are_open and method in _READS):
            operation["security"] = []
    for operation in document["paths"].get("/metrics", {}).values():
        content = operation["responses"]["200"].setdefault("content", {})
        content |= {form.media_type: {"schema": {"type": "string"}} for form in Form}
    return document


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _complete_responses(path: str, responses: Document) -> None:
    error = _ANY_STATUS if path.startswith(_OTLP) else _ANY_PROBLEM
    for status in list(responses):
        if status == "204":
            responses[status].pop("content", None)
        elif status == "503" and path in _OPEN:
            continue
        elif status[0] in "45":
            responses[status] = error | {"description": responses[status]["description"]}
    responses.setdefault("default", error)
