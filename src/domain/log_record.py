"""Log records, as OpenTelemetry has them: each is an operational event."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from .event import MAX_MESSAGE_LENGTH, Level
from .exception_event import EXCEPTION, EventFields
from .fitting import fit_meta, fit_text
from .instant import format_instant
from .origin import Origin
from .secret_keys import USUAL, SecretKeys

LOG = "LOG"
"""The type of an event that was a log record, unless an exception is recorded on it."""
EMPTY = "(empty)"

_DEBUG, _INFO, _WARN, _ERROR, _FATAL = 8, 12, 16, 20, 24
"""The highest severity number of each level; those of TRACE are below DEBUG's."""
_UPTO = (
    (_DEBUG, Level.DEBUG),
    (_INFO, Level.INFO),
    (_WARN, Level.WARN),
    (_ERROR, Level.ERROR),
    (_FATAL, Level.FATAL),
)
_BY_NAME: Mapping[str, Level] = {
    **{level.value: level for level in Level},
    "TRACE": Level.DEBUG,
    "VERBOSE": Level.DEBUG,
    "INFORMATION": Level.INFO,
    "NOTICE": Level.INFO,
    "WARNING": Level.WARN,
    "ERR": Level.ERROR,
    "CRITICAL": Level.FATAL,
    "ALERT": Level.FATAL,
    "EMERGENCY": Level.FATAL,
    "PANIC": Level.FATAL,
}
_encode = msgspec.json.Encoder().encode


class LogRecord(NamedTuple):
    """A log record: times in ns (0 where there is none), ids in hexadecimal, any JSON as body.

    `scope` is the logger's name.
    """

    origin: Origin
    scope: str
    time: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: Mapping[str, Any]
    trace_id: str
    span_id: str
    event_name: str


def level_of(severity_number: int, severity_text: str) -> Level:
    """The level of a severity; by its text where it has no number, and INFO where that says none.

    `INFO2` or `error3` name the levels that their numbers have.
    """
    if severity_number > 0:
        return next((level for upto, level in _UPTO if severity_number <= upto), Level.FATAL)
    name = severity_text.strip().upper()
    return _BY_NAME.get(name) or _BY_NAME.get(name.rstrip("234"), Level.INFO)


def log_event(record: LogRecord, secret_keys: SecretKeys = USUAL) -> EventFields:
    """The fields of the event for a log record, cut to the limits.

    The body is the message, as JSON where it is no text. One that is too long stands in `meta` as
    `body` too, where more of it has room. `meta` has the attributes, after `trace_id`, `span_id`,
    `time`, `severity_text` and `event.name` as far as the record has them. Secrets are masked in
    both.
    """
    said = record.body if isinstance(record.body, str) else _as_json(record.body, secret_keys)
    known = {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "time": format_instant(record.time) if record.time else "",
        "severity_text": record.severity_text,
        "event.name": record.event_name,
        **record.origin.attributes,
        "otel.scope.name": record.scope,
        "body": said if len(said) > MAX_MESSAGE_LENGTH else "",
    }
    meta = {name: value for name, value in known.items() if value}
    meta |= {name: value for name, value in record.attributes.items() if name not in meta}
    return EventFields(
        level=level_of(record.severity_number, record.severity_text),
        type=EXCEPTION if meta.get("exception.type") else LOG,
        service=record.origin.service,
        message=fit_text(said or _without_body(record), MAX_MESSAGE_LENGTH),
        meta=fit_meta(meta, secret_keys),
    )


def _as_json(body: Any, secret_keys: SecretKeys) -> str:
    return "" if body is None else _encode(fit_meta({"": body}, secret_keys)[""]).decode()


def _without_body(record: LogRecord) -> str:
    """What such a record says otherwise: the name of an event, or an exception's text."""
    exception = [
        str(record.attributes.get(f"exception.{name}") or "") for name in ("type", "message")
    ]
    return record.event_name or ": ".join(filter(None, exception)) or EMPTY
