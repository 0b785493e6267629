"""The store that forgets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...application.ports import Clock, SavedFold
from .event_index import MemoryEventIndex
from .journal import MemoryJournal


class MemoryFolds:
    """Saved folds in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._saved: dict[str, SavedFold] = {}

    async def load(self, name: str) -> SavedFold | None:
        """See `FoldStore.load`."""
        return self._saved.get(name)

    async def save(self, name: str, saved: SavedFold, expected: int) -> bool:
        """See `FoldStore.save`."""
        known = self._saved.get(name)
        if (known.checkpoint if known else 0) != expected:
            return False
        self._saved[name] = saved
        return True

    async def drop(self, name: str) -> None:
        """See `FoldStore.drop`."""
        self._saved.pop(name, None)


class MemoryStore:
    """A journal and its read models that last as long as this object, also over reopenings."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.journal = MemoryJournal(clock)
        self.event_index = MemoryEventIndex(self.journal)
        self.folds = MemoryFolds()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["MemoryStore"]:
        """See `Store.opened`."""
        yield self

    async def check_writable(self) -> None:
        """Memory always takes a write."""
