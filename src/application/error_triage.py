"""Errors as somebody looks through them: which there are, what is mended, what came back."""

import asyncio
from typing import Any

import msgspec

from ..domain.error_group import (
    MAX_BY_LENGTH,
    MAX_NOTE_LENGTH,
    OTHER,
    REOPENED_TYPE,
    RESOLVED_TYPE,
    ErrorFilter,
    ErrorGroup,
    State,
)
from ..domain.event import MAX_MESSAGE_LENGTH, RecordedEvent
from ..domain.instant import parse_duration, window
from ..domain.validation import InvalidInput, Violation
from ..domain.words import TextQuery
from .errors import ErrorGroupNotFound
from .ports import Clock, EventIndex
from .project_errors import ErrorProjection
from .query_events import DEFAULT_PAGE, MAX_PAGE
from .record import EventRecorder


class ErrorPage(msgspec.Struct, frozen=True):
    """Groups, the one with the newest event first; `before` is what the next page is asked with."""

    groups: list[ErrorGroup]
    before: int | None


class ErrorTriage:
    """Questions about error groups, and what is said of them.

    What is said is an event like any other. Every method raises `StoreUnavailable`.
    """

    def __init__(
        self,
        projection: ErrorProjection,
        index: EventIndex,
        recorder: EventRecorder,
        clock: Clock,
    ) -> None:
        """Ask `projection`, find single events in `index`, and record with `recorder`."""
        self._projection = projection
        self._index = index
        self._recorder = recorder
        self._clock = clock
        self._changing = asyncio.Lock()

    async def search(
        self,
        wanted: ErrorFilter | None = None,
        limit: int = DEFAULT_PAGE,
        before: int | None = None,
    ) -> ErrorPage:
        """At most `limit` (1-500) groups whose newest event has an id below `before`.

        Every event that was recorded before the call counts. Raises `InvalidInput`.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput.of("limit", f"must be 1-{MAX_PAGE}")
        await self._projection.catch_up()
        wanted = wanted or ErrorFilter()
        found: list[ErrorGroup] = []
        for group in self._projection.groups.newest_first():
            if (before is None or group.newest < before) and wanted.wants(group):
                if len(found) == limit:
                    return ErrorPage(found, found[-1].newest)
                found.append(group.copy())
        return ErrorPage(found, None)

    async def get(self, fingerprint: str) -> ErrorGroup:
        """The group with this fingerprint. Raises `ErrorGroupNotFound`."""
        await self._projection.catch_up()
        group = self._projection.groups.get(fingerprint)
        if group is None:
            raise ErrorGroupNotFound("no error group has this fingerprint")
        return group.copy()

    async def sample(self, group: ErrorGroup) -> RecordedEvent | None:
        """The newest event of a group; None where retention removed it."""
        return await self._index.get(group.newest)

    async def resolve(self, fingerprint: str, *, by: str = "", note: str = "") -> ErrorGroup:
        """Say that an error is mended; it comes back by itself when it occurs again.

        Where it is resolved already, nothing is recorded. Raises `ErrorGroupNotFound`,
        `InvalidInput`, `Overloaded`.
        """
        return await self._change(fingerprint, RESOLVED_TYPE, "Resolved", by, note)

    async def reopen(self, fingerprint: str, *, by: str = "", note: str = "") -> ErrorGroup:
        """Say that an error is not mended after all; nothing is recorded where nobody said so.

        Raises what `resolve` does.
        """
        return await self._change(fingerprint, REOPENED_TYPE, "Reopened", by, note)

    async def _change(
        self, fingerprint: str, type: str, said: str, by: str, note: str
    ) -> ErrorGroup:
        _refuse_unfit(by=(by, MAX_BY_LENGTH), note=(note, MAX_NOTE_LENGTH))
        async with self._changing:
            group = await self.get(fingerprint)
            if group.fingerprint == OTHER:
                raise ErrorGroupNotFound(f"{OTHER} is many errors, of which none is known any more")
            if (group.state is State.RESOLVED) is (type == RESOLVED_TYPE):
                return group
            meta: dict[str, Any] = {"fingerprint": fingerprint, "by": by, "note": note}
            await self._recorder.record(
                f"{said} {group.type}: {group.message}"[:MAX_MESSAGE_LENGTH],
                level="INFO",
                type=type,
                service=next(iter(group.services)),
                meta={name: value for name, value in meta.items() if value},
            )
            return await self.get(fingerprint)

    def now(self) -> int:
        """The time that trends end at, in ns since 1970."""
        return self._clock.now()

    def filter(
        self,
        *,
        service: str | None = None,
        route: str | None = None,
        state: str | None = None,
        q: str | None = None,
        last: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> ErrorFilter:
        """The filter that a caller's words mean; `state` is one or several with commas between.

        Raises `InvalidInput` naming the parameter.
        """
        start, end = window(since=since, until=until)
        if last is not None:
            if since is not None or until is not None:
                raise InvalidInput.of("last", "goes without since and until")
            start = max(0, self._clock.now() - parse_duration(last, "last"))
        query = None if q is None else TextQuery.parse(q)
        return ErrorFilter(service, route, _states(state), start, end, query)


def _states(text: str | None) -> frozenset[State] | None:
    if text is None:
        return None
    try:
        return frozenset(State(name) for name in text.split(","))
    except ValueError as error:
        known = ", ".join(State)
        raise InvalidInput.of("state", f"must be one of {known}, or several of them") from error


def _refuse_unfit(**given: tuple[str, int]) -> None:
    violations: list[Violation] = []
    for name, (text, limit) in given.items():
        if len(text) > limit:
            detail = f"must be at most {limit} characters, not {len(text)}"
            violations.append(Violation(f"/{name}", detail))
        elif "\0" in text:
            violations.append(Violation(f"/{name}", "must not hold the character U+0000"))
    if violations:
        raise InvalidInput(violations)
