"""Operational events as JSON, in and out."""

from typing import Annotated, Any

import msgspec

from ...domain.event import DEFAULT_SERVICE, MAX_MESSAGE_LENGTH, MAX_SERVICE_LENGTH, RecordedEvent
from ...domain.instant import format_instant
from .json_bodies import decoded


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
    return decoded(_decode, body, "an event")
