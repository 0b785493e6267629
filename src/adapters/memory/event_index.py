"""The read model of events as a dictionary."""

from collections.abc import AsyncIterator, Sequence

from ...application.readable import readable
from ...domain.entry import Stream
from ...domain.event import EventFilter, OperationalEvent, RecordedEvent
from ...domain.summary import EventSummary
from .journal import MemoryJournal


class MemoryEventIndex:
    """Decoded events by their number; what is not indexed yet is read from the journal."""

    def __init__(self, journal: MemoryJournal) -> None:
        """Index what `journal` holds."""
        self._journal = journal
        self._events: dict[int, tuple[RecordedEvent, list[str]]] = {}
        self._checkpoint = 0

    async def checkpoint(self) -> int:
        """See `EventIndex.checkpoint`."""
        return self._checkpoint

    async def add(self, events: Sequence[RecordedEvent], checkpoint: int, expected: int) -> bool:
        """See `EventIndex.add`."""
        if self._checkpoint != expected:
            return False
        self._events |= {found.id: (found, found.event.words()) for found in events}
        self._checkpoint = checkpoint
        return True

    async def clear(self) -> None:
        """See `EventIndex.clear`."""
        self._events.clear()
        self._checkpoint = 0

    async def search(
        self, wanted: EventFilter, limit: int, before: int | None = None
    ) -> list[RecordedEvent]:
        """See `EventIndex.search`."""
        found: list[RecordedEvent] = []
        for recorded in self._journal.newest_first(Stream.EVENTS):
            if len(found) == limit:
                break
            if before is not None and recorded.number >= before:
                continue
            event = self._event(recorded.number)
            if event is not None and wanted.wants(event.event):
                found.append(event)
        return found

    async def get(self, id: int) -> RecordedEvent | None:
        """See `EventIndex.get`."""
        return self._event(id)

    async def summarise(self, wanted: EventFilter) -> EventSummary:
        """See `EventIndex.summarise`."""
        summary = EventSummary()
        for recorded in self._journal.newest_first(Stream.EVENTS):
            event = self._event(recorded.number)
            if event is not None and wanted.wants(event.event):
                summary.evolve(event.event)
        return summary

    async def indexed(
        self, after: int, until: int
    ) -> AsyncIterator[tuple[RecordedEvent, list[str]]]:
        """See `EventIndex.indexed`."""
        for number in sorted(self._events):
            if after < number <= until:
                yield self._events[number]

    async def trim(self, upto: int) -> None:
        """See `EventIndex.trim`."""
        self._events = {number: e for number, e in self._events.items() if number > upto}

    async def faults(self) -> list[str]:
        """See `EventIndex.faults`."""
        return []

    def _event(self, number: int) -> RecordedEvent | None:
        if number in self._events:
            return self._events[number][0]
        recorded = self._journal.at(Stream.EVENTS, number)
        if recorded is None:
            return None
        found = next(readable(self._journal, [recorded], OperationalEvent), None)
        return None if found is None else RecordedEvent(*found)
