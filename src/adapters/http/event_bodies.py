"""Operational events as JSON, in and out."""

import json
import re
from typing import Annotated, Any

import msgspec

from ...domain.event import DEFAULT_SERVICE, MAX_MESSAGE_LENGTH, MAX_SERVICE_LENGTH, RecordedEvent
from ...domain.instant import format_instant
from ...domain.validation import InvalidInput, pointer_to

_UNKNOWN_OR_MISSING = re.compile(r"(unknown|required) field `(.*)`", re.DOTALL)
_PATH = re.compile(r" - at `\$(?:\.(\w+))?.*`$", re.DOTALL)


class EventDraft(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /events` takes. The limits are kept by the domain; here they are documented."""

    level: Annotated[
        str, msgspec.Meta(description="DEBUG, INFO, WARN, ERROR or FATAL, in any case")
    ]
    type: Annotated[
        str,
        msgspec.Meta(
            description="AUDIT, OPS, SECURITY, DEPLOY, or a name of your own: "
            "^[A-Z][A-Z0-9_]{0,31}$"
        ),
    ]
    message: Annotated[str, msgspec.Meta(description=f"1-{MAX_MESSAGE_LENGTH} characters")]
    service: Annotated[str, msgspec.Meta(description=f"1-{MAX_SERVICE_LENGTH} characters")] = (
        DEFAULT_SERVICE
    )
    meta: Annotated[
        dict[str, Any], msgspec.Meta(description="any JSON object of at most 16 KiB")
    ] = {}


class EventBody(msgspec.Struct, frozen=True):
    """One recorded event."""

    id: int
    ts: str
    level: str
    type: str
    service: str
    message: str
    meta: dict[str, Any]

    @classmethod
    def of(cls, recorded: RecordedEvent) -> "EventBody":
        """The event as clients see it."""
        e = recorded.event
        ts = format_instant(e.ts)
        return cls(recorded.id, ts, e.level, e.type, e.service, e.message, e.meta)


_decode = msgspec.json.Decoder(EventDraft).decode


def decode_draft(body: bytes) -> EventDraft:
    """The draft in a body. Raises `InvalidInput` naming the field, or `` for the whole body."""
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise _named(str(error)) from error
    except RecursionError as error:
        raise InvalidInput.of("", "is nested too deep") from error
    except (msgspec.DecodeError, ValueError) as error:
        reason = "it holds a lone surrogate" if _holds_lone_surrogate(body) else error
        raise InvalidInput.of("", f"is no JSON in UTF-8: {reason}") from error


def _holds_lone_surrogate(body: bytes) -> bool:
    """Whether half a character is all that is wrong: the decoder calls such a body truncated."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _named(message: str) -> InvalidInput:
    if field := _UNKNOWN_OR_MISSING.search(message):
        detail = "is not a field of an event" if field[1] == "unknown" else "is required"
        return InvalidInput.of(pointer_to(field[2]), detail)
    path = _PATH.search(message)
    detail = message[: path.start()] if path else message
    pointer = f"/{path[1]}" if path and path[1] else ""
    return InvalidInput.of(pointer, detail[:1].lower() + detail[1:])
