"""An exception as an operational event: the same one, whichever door it came in by."""

from collections.abc import Mapping
from typing import Any, TypedDict

from .event import DEFAULT_SERVICE, MAX_MESSAGE_LENGTH, MAX_SERVICE_LENGTH, Level
from .fitting import fit_meta, fit_text
from .secret_keys import USUAL, SecretKeys

EXCEPTION = "EXCEPTION"
"""The type of the event."""
UNNAMED = "(unnamed)"
"""Stands for the type of an exception that has none."""
MAX_TYPE_LENGTH = 256


class EventFields(TypedDict):
    """What `OperationalEvent.say` and `POST /events` take, apart from the time."""

    level: str
    type: str
    service: str
    message: str
    meta: dict[str, Any]


def exception_event(
    type: str,
    message: str = "",
    stacktrace: str = "",
    *,
    service: str = DEFAULT_SERVICE,
    route: str = "",
    method: str = "",
    trace_id: str = "",
    span_id: str = "",
    attributes: Mapping[str, Any] | None = None,
    level: str = Level.ERROR,
    secret_keys: SecretKeys = USUAL,
) -> EventFields:
    """The fields of the event for an exception, under OpenTelemetry's names, cut to the limits.

    The message is `type: message`. `meta` holds `exception.type` and, where they are known,
    `exception.message`, `exception.stacktrace`, `http.route`, `http.request.method`, `trace_id`
    and `span_id` (hexadecimal), then `attributes` by names that none of these has, secrets among
    them masked. What is too long loses its middle: of a stack trace the innermost frames stay, at
    whichever end they are.
    """
    type = fit_text(type or UNNAMED, MAX_TYPE_LENGTH)
    known = {
        "exception.type": type,
        "exception.message": message,
        "exception.stacktrace": stacktrace,
        "http.route": route,
        "http.request.method": method,
        "trace_id": trace_id,
        "span_id": span_id,
    }
    meta: dict[str, Any] = {name: value for name, value in known.items() if value}
    meta.update({n: v for n, v in (attributes or {}).items() if n not in meta})
    return EventFields(
        level=level,
        type=EXCEPTION,
        service=fit_text(service or DEFAULT_SERVICE, MAX_SERVICE_LENGTH),
        message=fit_text(f"{type}: {message}" if message else type, MAX_MESSAGE_LENGTH),
        meta=fit_meta(meta, secret_keys),
    )
