"""The running folds: each continues from its checkpoint, and saves its state as it goes."""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from ..domain.entry import Recorded, Stream, UnreadableEntry
from ..domain.event import OperationalEvent, RecordedEvent
from ..domain.metrics import RequestMetrics
from ..domain.sample import SampleBatch
from .ports import EventIndex, FoldStore, Journal, SavedFold

SAVE_EVERY_ENTRIES = 64
CALM_SECONDS = 0.05
CALM_ENTRIES = 50
MAX_TAIL_ENTRIES = 10_000

_log = logging.getLogger(__name__)


class MetricsProjection:
    """The live fold of all request samples, saved under `NAME`."""

    NAME = "request_metrics"

    def __init__(self, journal: Journal, folds: FoldStore) -> None:
        """Fold what `journal` holds; keep the state in `folds`."""
        self._journal = journal
        self._folds = folds
        self._catching_up = asyncio.Lock()
        self._saved_at = 0
        self.fold = RequestMetrics()
        self.checkpoint = 0
        self.unreadable = 0

    async def start(self) -> None:
        """Load the saved state, if there is one, and fold what came after it."""
        saved = await self._folds.load(self.NAME)
        if saved is not None:
            self._saved_at = saved.checkpoint
            try:
                self.fold = RequestMetrics.load(saved.state)
                self.checkpoint = saved.checkpoint
            except msgspec.MsgspecError as error:
                _log.error("the saved fold is damaged, folding from the start: %s", error)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Fold every entry that the journal has by now."""
        async with self._catching_up:
            async for page in self._journal.read(Stream.SAMPLES, self.checkpoint):
                self._fold(page)
                await asyncio.sleep(0)

    async def run(self) -> None:
        """Follow the journal, and save from time to time, until cancelled."""
        async for page in self._journal.follow(Stream.SAMPLES, self.checkpoint):
            async with self._catching_up:
                self._fold(page)
            if self.checkpoint - self._saved_at >= SAVE_EVERY_ENTRIES:
                await self.save()

    async def save(self) -> None:
        """Save the state, unless another process has saved since this one last did."""
        if self.checkpoint == self._saved_at:
            return
        checkpoint = self.checkpoint
        saved = SavedFold(checkpoint, self.fold.dump())
        if await self._folds.save(self.NAME, saved, expected=self._saved_at):
            self._saved_at = checkpoint
        else:
            newest = await self._folds.load(self.NAME)
            self._saved_at = newest.checkpoint if newest else 0

    async def lag(self) -> int:
        """How many entries of the journal are not folded yet."""
        return (await self._journal.head(Stream.SAMPLES)).number - self.checkpoint

    def _fold(self, page: Sequence[Recorded]) -> None:
        """Fold the page's entries, but for those that are folded already."""
        for recorded in page:
            if recorded.number <= self.checkpoint:
                continue
            try:
                entry = recorded.entry
            except UnreadableEntry as error:
                self.unreadable += 1
                _log.error("%s %d is left out: %s", recorded.stream, recorded.number, error)
            else:
                if isinstance(entry, SampleBatch):
                    self.fold.evolve(entry)
            self.checkpoint = recorded.number


class EventProjection:
    """Keeps the index of events up with the journal."""

    def __init__(self, journal: Journal, index: EventIndex) -> None:
        """Index in `index` what `journal` holds."""
        self._journal = journal
        self._index = index
        self.unreadable = 0

    async def start(self) -> None:
        """Nothing to load: the checkpoint lies in the index."""

    async def catch_up(self) -> None:
        """Index every event that the journal has by now."""
        checkpoint = await self._index.checkpoint()
        async for page in self._journal.read(Stream.EVENTS, checkpoint):
            checkpoint = await self._add(page, checkpoint)

    async def run(self) -> None:
        """Follow the journal until cancelled."""
        while True:
            checkpoint = await self._index.checkpoint()
            async for page in self._journal.follow(Stream.EVENTS, checkpoint):
                if page[0].number != checkpoint + 1:
                    break
                await self._wait_for_calm(checkpoint)
                checkpoint = await self._add(page, checkpoint)

    async def _wait_for_calm(self, checkpoint: int) -> None:
        """Let events pour in: indexing them now would hold up those who wait for their commit.

        An answer holds what is not indexed too, at the price of reading it, so the wait ends at
        `MAX_TAIL_ENTRIES`.
        """
        head = (await self._journal.head(Stream.EVENTS)).number
        while head - checkpoint < MAX_TAIL_ENTRIES:
            before = head
            await asyncio.sleep(CALM_SECONDS)
            head = (await self._journal.head(Stream.EVENTS)).number
            if head - before <= CALM_ENTRIES:
                return

    async def save(self) -> None:
        """Nothing to save: the index is saved as it grows."""

    async def lag(self) -> int:
        """How many events of the journal are not indexed yet."""
        head = await self._journal.head(Stream.EVENTS)
        return head.number - await self._index.checkpoint()

    async def _add(self, page: Sequence[Recorded], expected: int) -> int:
        """Index a page; the new checkpoint, which another process may have moved further."""
        events = []
        for recorded in page:
            try:
                entry = recorded.entry
            except UnreadableEntry as error:
                self.unreadable += 1
                _log.error("%s %d is left out: %s", recorded.stream, recorded.number, error)
                continue
            if isinstance(entry, OperationalEvent):
                events.append(RecordedEvent(recorded.number, entry))
        if await self._index.add(events, page[-1].number, expected):
            return page[-1].number
        return await self._index.checkpoint()
