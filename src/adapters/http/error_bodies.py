"""Error groups as JSON, in and out."""

from typing import Annotated, Any

import msgspec

from ...domain.error_group import MAX_BY_LENGTH, MAX_NOTE_LENGTH, Change, ErrorGroup
from ...domain.event import RecordedEvent
from ...domain.instant import NS_PER_SECOND, format_instant


class ErrorChange(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /errors/{fingerprint}/resolve` and `.../reopen` take."""

    by: Annotated[str, msgspec.Meta(description=f"who says so; at most {MAX_BY_LENGTH}")] = ""
    note: Annotated[str, msgspec.Meta(description=f"why; at most {MAX_NOTE_LENGTH}")] = ""


class ChangeBody(msgspec.Struct, frozen=True):
    """When a group was resolved or reopened; nobody said so where it came back by itself."""

    at: str
    by: str
    note: str

    @classmethod
    def of(cls, change: Change | None) -> "ChangeBody | None":
        """The change as clients see it."""
        return None if change is None else cls(format_instant(change.at), change.by, change.note)


class RouteCount(msgspec.Struct, frozen=True):
    """How often an error occurred on a route."""

    service: str
    route: str
    count: int


class Trend(msgspec.Struct, frozen=True):
    """Occurrences in steps that follow each other, the first of which starts at `since`."""

    since: str
    step_seconds: int
    counts: list[int]

    @classmethod
    def of(cls, group: ErrorGroup, now: int, step: int) -> "Trend":
        """Up to and with the step that `now` lies in; times in ns."""
        since, counts = group.trend(now, step)
        return cls(format_instant(since), step // NS_PER_SECOND, counts)


class Sample(msgspec.Struct, frozen=True):
    """One occurrence: the event that it is, and what that says of the exception."""

    id: int
    ts: str
    service: str
    message: str
    stacktrace: str | None
    route: str | None
    method: str | None
    trace_id: str | None
    span_id: str | None

    @classmethod
    def of(cls, recorded: RecordedEvent | None) -> "Sample | None":
        """The occurrence that an event is."""
        if recorded is None:
            return None
        event = recorded.event
        return cls(
            recorded.id,
            format_instant(event.ts),
            event.service,
            _text(event.meta, "exception.message") or event.message,
            _text(event.meta, "exception.stacktrace"),
            _text(event.meta, "http.route"),
            _text(event.meta, "http.request.method"),
            _text(event.meta, "trace_id"),
            _text(event.meta, "span_id"),
        )


def _text(meta: dict[str, Any], name: str) -> str | None:
    found = meta.get(name)
    return found if isinstance(found, str) else None


class ErrorGroupBody(msgspec.Struct, frozen=True):
    """One error group."""

    fingerprint: str
    type: str
    message: str
    state: str
    count: int
    first_seen: str
    last_seen: str
    newest_event: int
    services: dict[str, int]
    routes: list[RouteCount]
    trend: Trend
    resolved: ChangeBody | None
    reopened: ChangeBody | None

    @classmethod
    def of(cls, group: ErrorGroup, now: int, step: int) -> "ErrorGroupBody":
        """The group as clients see it."""
        return cls(**_fields(group, now, step))


class ErrorGroupDetail(ErrorGroupBody, frozen=True):
    """One error group, with its newest events and what the newest of them says."""

    events: list[int]
    sample: Sample | None

    @classmethod
    def with_sample(
        cls, group: ErrorGroup, sample: RecordedEvent | None, now: int, step: int
    ) -> "ErrorGroupDetail":
        """The group as clients see it who asked for it."""
        events = group.events[::-1]
        return cls(**_fields(group, now, step), events=events, sample=Sample.of(sample))


def _fields(group: ErrorGroup, now: int, step: int) -> dict[str, Any]:
    routes = [RouteCount(*route, count) for route, count in group.routes.items()]
    return {
        "fingerprint": group.fingerprint,
        "type": group.type,
        "message": group.message,
        "state": group.state,
        "count": group.count,
        "first_seen": format_instant(group.first_seen),
        "last_seen": format_instant(group.last_seen),
        "newest_event": group.newest,
        "services": group.services,
        "routes": sorted(routes, key=lambda route: (-route.count, route.service, route.route)),
        "trend": Trend.of(group, now, step),
        "resolved": ChangeBody.of(group.resolved),
        "reopened": ChangeBody.of(group.reopened),
    }
