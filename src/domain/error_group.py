"""Errors that are the same error, as groups: a fold over the events that carry an exception."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from .event import OperationalEvent
from .fingerprint import fingerprint
from .instant import NS_PER_SECOND
from .words import TextQuery, words

MAX_GROUPS = 1_000
MAX_NAMES = 20
"""So many services, and so many routes, are counted by name in each group."""
MAX_EVENTS = 25
"""So many of the newest events are known by their ids in each group."""
MAX_TYPE_LENGTH = 256
MAX_MESSAGE_LENGTH = 500
MAX_ROUTE_LENGTH = 256
MAX_NOTE_LENGTH = 500
MAX_BY_LENGTH = 80
OTHER = "(other)"
RESOLVED_TYPE, REOPENED_TYPE = "ERROR_RESOLVED", "ERROR_REOPENED"
EXCEPTION_TYPE = "exception.type"

HOUR_NS = 3_600 * NS_PER_SECOND
DAY_NS = 24 * HOUR_NS
TREND_POINTS = {HOUR_NS: 24, DAY_NS: 30}
"""How many steps of each length a trend has."""


class State(StrEnum):
    """Whether somebody has to do something about it."""

    OPEN = "open"
    RESOLVED = "resolved"
    REOPENED = "reopened"


class Change(msgspec.Struct, frozen=True):
    """The last time that a group was resolved, or reopened; `by` nobody where it came back."""

    at: int
    by: str = ""
    note: str = ""


class ErrorGroup(msgspec.Struct):
    """The occurrences of one error. Times are ns since 1970.

    `events` are ids, the newest last. `routes` are counted by (service, route). `hours` and `days`
    count occurrences by the start of the newest of them.
    """

    fingerprint: str
    type: str
    message: str
    first_seen: int
    last_seen: int
    count: int = 0
    events: list[int] = []
    services: dict[str, int] = {}
    routes: dict[tuple[str, str], int] = {}
    hours: dict[int, int] = {}
    days: dict[int, int] = {}
    state: State = State.OPEN
    resolved: Change | None = None
    reopened: Change | None = None

    @property
    def newest(self) -> int:
        """The id of the newest event."""
        return self.events[-1]

    def trend(self, now: int, step: int) -> tuple[int, list[int]]:
        """The start of the first step, and how many occurrences each has, up to that of `now`."""
        points = TREND_POINTS[step]
        known = self.hours if step == HOUR_NS else self.days
        last = now - now % step
        start = last - (points - 1) * step
        return start, [known.get(start + at * step, 0) for at in range(points)]

    def copy(self) -> "ErrorGroup":
        """The group as it is now, whatever comes after."""
        return msgspec.structs.replace(
            self,
            events=list(self.events),
            services=dict(self.services),
            routes=dict(self.routes),
            hours=dict(self.hours),
            days=dict(self.days),
        )

    def occur(self, id: int, event: OperationalEvent) -> None:
        """Count one more occurrence; it reopens what was resolved before it happened."""
        self.count += 1
        self.first_seen = min(self.first_seen, event.ts)
        self.last_seen = max(self.last_seen, event.ts)
        self.message = _message(event)
        self.events.append(id)
        del self.events[:-MAX_EVENTS]
        _count(self.services, event.service, OTHER)
        route = event.meta.get("http.route")
        if route and isinstance(route, str):
            _count(self.routes, (event.service, route[:MAX_ROUTE_LENGTH]), (OTHER, OTHER))
        for step, known in ((HOUR_NS, self.hours), (DAY_NS, self.days)):
            _count_at(known, event.ts - event.ts % step, 1, TREND_POINTS[step])
        resolved = self.resolved
        if self.state is State.RESOLVED and resolved is not None and event.ts >= resolved.at:
            self.state, self.reopened = State.REOPENED, Change(event.ts)

    def resolve(self, change: Change) -> None:
        """Somebody says that it is mended."""
        self.state, self.resolved = State.RESOLVED, change

    def reopen(self, change: Change) -> None:
        """Somebody says that it is not."""
        if self.state is State.RESOLVED:
            self.state, self.reopened = State.REOPENED, change

    def absorb(self, group: "ErrorGroup") -> None:
        """Count all of another group's occurrences as well."""
        self.count += group.count
        self.first_seen = min(self.first_seen, group.first_seen)
        self.last_seen = max(self.last_seen, group.last_seen)
        self.events = sorted({*self.events, *group.events})[-MAX_EVENTS:]
        for service, count in group.services.items():
            _count(self.services, service, OTHER, count)
        for route, count in group.routes.items():
            _count(self.routes, route, (OTHER, OTHER), count)
        for step, known, added in (
            (HOUR_NS, self.hours, group.hours),
            (DAY_NS, self.days, group.days),
        ):
            for start, count in added.items():
                _count_at(known, start, count, TREND_POINTS[step])


class ErrorGroups(msgspec.Struct):
    """Every group by its fingerprint, the one that was seen least recently first.

    At most `MAX_GROUPS` are told apart. Those beyond, `merged` of them by now, are in `other`.
    """

    groups: dict[str, ErrorGroup] = {}
    other: ErrorGroup | None = None
    merged: int = 0

    def evolve(self, id: int, event: OperationalEvent) -> None:
        """Fold one more event, whatever it is."""
        if event.type in (RESOLVED_TYPE, REOPENED_TYPE):
            self._change(event)
        elif is_exception(event):
            self._occur(id, event)

    def _occur(self, id: int, event: OperationalEvent) -> None:
        name = fingerprint_of(event)
        group = self.groups.pop(name, None)
        if group is None:
            type = event.meta[EXCEPTION_TYPE][:MAX_TYPE_LENGTH]
            group = ErrorGroup(name, type, "", event.ts, event.ts)
            if len(self.groups) >= MAX_GROUPS:
                self._merge_oldest()
        self.groups[name] = group
        group.occur(id, event)

    def _merge_oldest(self) -> None:
        oldest = self.groups.pop(next(iter(self.groups)))
        self.merged += 1
        if self.other is None:
            seen = oldest.first_seen, oldest.last_seen
            self.other = ErrorGroup(OTHER, OTHER, "seen too long ago to be told apart", *seen)
        self.other.absorb(oldest)

    def _change(self, event: OperationalEvent) -> None:
        name = event.meta.get("fingerprint")
        group = self.groups.get(name) if isinstance(name, str) else None
        if group is not None:
            by, note = (event.meta.get(field) for field in ("by", "note"))
            change = Change(event.ts, _text(by, MAX_BY_LENGTH), _text(note, MAX_NOTE_LENGTH))
            (group.resolve if event.type == RESOLVED_TYPE else group.reopen)(change)

    def newest_first(self) -> Iterator[ErrorGroup]:
        """Every group, `other` among them, by its newest event."""
        known = list(self.groups.values())
        if self.other is not None:
            known.append(self.other)
        return iter(sorted(known, key=lambda group: group.newest, reverse=True))

    def get(self, name: str) -> ErrorGroup | None:
        """The group with this fingerprint; `(other)` is that of what can not be told apart."""
        return self.other if name == OTHER else self.groups.get(name)


class ErrorFilter(msgspec.Struct, frozen=True):
    """Which groups: all that is given must hold; seen at some time in [since, until), ns."""

    service: str | None = None
    route: str | None = None
    states: frozenset[State] | None = None
    since: int | None = None
    until: int | None = None
    query: TextQuery | None = None

    def wants(self, group: ErrorGroup) -> bool:
        """Whether the group is one of them."""
        return (
            (self.states is None or group.state in self.states)
            and (self.since is None or group.last_seen >= self.since)
            and (self.until is None or group.first_seen < self.until)
            and (self.service is None or self.service in group.services)
            and (self.route is None or self._has_route(group))
            and (self.query is None or self.query.matches(_words(group)))
        )

    def _has_route(self, group: ErrorGroup) -> bool:
        return any(
            route == self.route and self.service in (None, service)
            for service, route in group.routes
        )


def is_exception(event: OperationalEvent) -> bool:
    """Whether the event carries an exception."""
    return isinstance(event.meta.get(EXCEPTION_TYPE), str)


def fingerprint_of(event: OperationalEvent) -> str:
    """The fingerprint of the exception that an event carries."""
    meta = event.meta
    return fingerprint(
        meta[EXCEPTION_TYPE],
        _text(meta.get("exception.message"), None) or event.message,
        _text(meta.get("exception.stacktrace"), None),
        event.service,
    )


def _message(event: OperationalEvent) -> str:
    said = event.meta.get("exception.message")
    return (said if said and isinstance(said, str) else event.message)[:MAX_MESSAGE_LENGTH]


def _text(value: Any, limit: int | None) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _words(group: ErrorGroup) -> list[str]:
    names = [*group.services, *(route for _, route in group.routes)]
    return words(" ".join([group.fingerprint, group.type, group.message, *names]))


def _count(known: dict[Any, int], name: Any, other: Any, count: int = 1) -> None:
    """Count by name, or under `other` where there are names enough."""
    if name not in known and len(known) >= MAX_NAMES:
        name = other
    known[name] = known.get(name, 0) + count


def _count_at(known: dict[int, int], start: int, count: int, points: int) -> None:
    """Count in a step, and forget the oldest of more than a trend can need."""
    known[start] = known.get(start, 0) + count
    if len(known) > points + 1:
        del known[min(known)]
