"""The running projection of events: it keeps their index up with the journal."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from ..domain.entry import Recorded, Stream, UnreadableEntry
from ..domain.event import OperationalEvent, RecordedEvent
from .ports import EventIndex, Journal
from .readable import readable
from .rebuilt_elsewhere import left_to_the_rebuilder

CALM_SECONDS = 0.05
CALM_ENTRIES = 50
MAX_TAIL_ENTRIES = 50_000

_log = logging.getLogger(__name__)


class EventProjection:
    """Keeps the index of events up with the journal."""

    def __init__(
        self,
        journal: Journal,
        index: EventIndex,
        on_read: Callable[[Sequence[RecordedEvent], int, int], None] = lambda *_: None,
    ) -> None:
        """Index in `index` what `journal` holds.

        `on_read` is brought what was read, and the numbers of the first and the last entry.
        """
        self._journal = journal
        self._index = index
        self._on_read = on_read
        self._reached = 0
        self.unreadable = 0

    async def start(self) -> None:
        """Nothing to load: the checkpoint lies in the index."""

    async def catch_up(self) -> None:
        """Index every event that the journal has by now."""
        while True:
            checkpoint = await self._index.checkpoint()
            async for page in self._journal.read(Stream.EVENTS, checkpoint):
                if not await self._is_added(page, checkpoint):
                    break
                checkpoint = page[-1].number
            else:
                return

    async def run(self) -> None:
        """Follow the journal until cancelled; what another process rebuilds is left to it."""
        while True:
            await left_to_the_rebuilder(self._index.checkpoint, self._reached)
            checkpoint = await self._index.checkpoint()
            after = max(checkpoint, (await self._journal.cut(Stream.EVENTS)).number)
            async for page in self._journal.follow(Stream.EVENTS, after):
                if page[0].number != after + 1:
                    break
                await wait_for_calm(self._journal, after)
                if not await self._is_added(page, checkpoint):
                    break
                after = checkpoint = page[-1].number

    async def save(self) -> None:
        """Nothing to save: the index is saved as it grows."""

    async def lag(self) -> int:
        """How many events of the journal are not indexed yet."""
        head = await self._journal.head(Stream.EVENTS)
        cut = await self._journal.cut(Stream.EVENTS)
        return head.number - max(cut.number, await self._index.checkpoint())

    async def _is_added(self, page: Sequence[Recorded], expected: int) -> bool:
        """Index a page, unless another process has moved the checkpoint."""
        events = [
            RecordedEvent(number, event)
            for number, event in readable(self._journal, page, OperationalEvent, self._leave_out)
        ]
        self._on_read(events, page[0].number, page[-1].number)
        self._reached = max(self._reached, expected)
        return await self._index.add(events, page[-1].number, expected)

    def _leave_out(self, recorded: Recorded, error: UnreadableEntry) -> None:
        self.unreadable += 1
        _log.error("%s %d is left out: %s", recorded.stream, recorded.number, error)


async def wait_for_calm(journal: Journal, checkpoint: int) -> None:
    """Let events pour in: folding them now would hold up those who wait for their commit.

    An answer holds what is not folded too, at the price of reading it, so the wait ends at
    `MAX_TAIL_ENTRIES`.
    """
    head = (await journal.head(Stream.EVENTS)).number
    while head - checkpoint < MAX_TAIL_ENTRIES:
        before = head
        await asyncio.sleep(CALM_SECONDS)
        head = (await journal.head(Stream.EVENTS)).number
        if head - before <= CALM_ENTRIES:
            return
