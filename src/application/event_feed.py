"""Events as they come, in their order, whichever process recorded them."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from ..domain.entry import Recorded, Stream
from ..domain.event import OperationalEvent, RecordedEvent
from .ports import Journal
from .readable import readable


class EventPage(NamedTuple):
    """Every event with an id in (after, upto] that can be read, ascending."""

    after: int
    upto: int
    events: Sequence[RecordedEvent]


class EventFeed:
    """The events stream for those who want all of it. Every method raises `StoreUnavailable`."""

    def __init__(self, journal: Journal) -> None:
        """Read `journal`."""
        self._journal = journal

    async def newest(self) -> int:
        """The id of the newest event; 0 before the first."""
        return (await self._journal.head(Stream.EVENTS)).number

    async def page(self, after: int, limit: int) -> EventPage:
        """What comes next after an id, of at most `limit` ids; what retention removed is over."""
        after = max(after, (await self._journal.cut(Stream.EVENTS)).number)
        entries: list[Recorded] = []
        async for page in self._journal.read(Stream.EVENTS, after, after + limit):
            entries += page
        return self._of(after, entries)

    async def follow(self, after: int) -> AsyncIterator[EventPage]:
        """Every page after an id, then new ones as they come, for ever."""
        async for page in self._journal.follow(Stream.EVENTS, after):
            yield self._of(after, page)
            after = page[-1].number

    def _of(self, after: int, entries: Sequence[Recorded]) -> EventPage:
        found = readable(self._journal, entries, OperationalEvent)
        upto = entries[-1].number if entries else after
        return EventPage(after, upto, [RecordedEvent(id, event) for id, event in found])
