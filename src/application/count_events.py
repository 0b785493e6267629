"""Events by level and type since this process started, whoever recorded them.

From the start, and not of all that is kept: a counter must not fall when retention removes events.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import product

from ..domain.entry import Stream
from ..domain.event import EventType, Level, OperationalEvent, RecordedEvent
from .ports import Journal
from .readable import readable


class EventCounts:
    """Counts each event once, whether it is brought or has to be read."""

    def __init__(self, journal: Journal) -> None:
        """Count what `journal` gets."""
        self._journal = journal
        self._upto = 0
        # What everybody knows is there from the start: the first of a kind is an increase too.
        self.counts: Counter[tuple[str, str]] = Counter(
            {(level.value, type_.value): 0 for level, type_ in product(Level, EventType)}
        )

    async def start(self) -> None:
        """Count what comes from now on."""
        self._upto = (await self._journal.head(Stream.EVENTS)).number

    def take(self, events: Sequence[RecordedEvent], first: int, last: int) -> None:
        """Count what somebody else has read: the events that entries `first` to `last` hold.

        Nothing is counted where entries before them were not; `catch_up` will read them all.
        """
        if first <= self._upto + 1:
            self._count(events, last)

    async def catch_up(self) -> None:
        """Count every event that the journal has by now. Raises `StoreUnavailable`."""
        async for page in self._journal.read(Stream.EVENTS, self._upto):
            events = [
                RecordedEvent(*found) for found in readable(self._journal, page, OperationalEvent)
            ]
            self._count(events, page[-1].number)

    def _count(self, events: Sequence[RecordedEvent], last: int) -> None:
        self.counts.update(
            (found.event.level, found.event.type) for found in events if found.id > self._upto
        )
        self._upto = max(self._upto, last)
