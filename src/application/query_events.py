"""Questions about operational events, answered from their index."""

import msgspec

from ..domain.event import EventFilter, RecordedEvent
from ..domain.instant import window
from ..domain.summary import EventSummary
from ..domain.validation import InvalidInput
from ..domain.words import TextQuery
from .errors import EventNotFound
from .ports import EventIndex

DEFAULT_PAGE = 50
MAX_PAGE = 500


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first; `before` is what the next page is asked with, None at the end."""

    events: list[RecordedEvent]
    before: int | None


class EventQueries:
    """Questions about operational events."""

    def __init__(self, index: EventIndex) -> None:
        """Ask `index`."""
        self._index = index

    async def search(
        self,
        wanted: EventFilter | None = None,
        limit: int = DEFAULT_PAGE,
        before: int | None = None,
    ) -> EventPage:
        """At most `limit` (1-500) events, newest first, with ids below `before` where given.

        Raises `InvalidInput`, `StoreUnavailable`.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput.of("limit", f"must be 1-{MAX_PAGE}")
        found = await self._index.search(wanted or EventFilter(), limit + 1, before)
        more = len(found) > limit
        return EventPage(found[:limit], found[limit - 1].id if more else None)

    async def get(self, id: int) -> RecordedEvent:
        """The event with this id. Raises `EventNotFound`, `StoreUnavailable`."""
        found = await self._index.get(id)
        if found is None:
            raise EventNotFound(f"no event has the id {id}")
        return found

    async def summarise(self, wanted: EventFilter | None = None) -> EventSummary:
        """How many events of each level, service and type. Raises `StoreUnavailable`."""
        return await self._index.summarise(wanted or EventFilter())


def event_filter(
    *,
    level: str | None = None,
    type: str | None = None,
    service: str | None = None,
    q: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> EventFilter:
    """The filter that a caller's words mean. Raises `InvalidInput` naming the parameters."""
    start, end = window(since=since, until=until)
    return EventFilter.of(
        level=level,
        type=type,
        service=service,
        since=start,
        until=end,
        query=None if q is None else TextQuery.parse(q),
    )
