"""The store that forgets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ...application.errors import StoreUnavailable
from ...application.ports import Clock, StoreVitals
from ...domain.entry import Stream
from .event_index import MemoryEventIndex
from .folds import MemoryFolds
from .journal import MemoryJournal
from .rollups import MemoryRollups


class MemoryStore:
    """A journal and its read models that last as long as this object, also over reopenings."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._settings: dict[str, str] = {}
        self.journal = MemoryJournal(clock)
        self.event_index = MemoryEventIndex(self.journal)
        self.rollups = MemoryRollups()
        self.folds = MemoryFolds()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["MemoryStore"]:
        """See `Store.opened`."""
        yield self

    async def faults(self) -> list[str]:
        """See `Store.faults`; memory has none."""
        return []

    async def check_writable(self) -> None:
        """Memory always takes a write."""

    async def vitals(self) -> StoreVitals:
        """See `Store.vitals`; the size is that of what the journal holds, in bytes."""
        sizes = [await self.journal.size(stream) for stream in Stream]
        return StoreVitals(sum(size for _, size in sizes))

    async def setting(self, name: str) -> str | None:
        """See `Store.setting`."""
        return self._settings.get(name)

    async def keep_setting(self, name: str, value: str) -> None:
        """See `Store.keep_setting`."""
        self._settings[name] = value

    async def backup(self, path: Path) -> None:  # noqa: ARG002
        """See `Store.backup`."""
        raise StoreUnavailable("memory: is not a file; `opsboard export` copies its journal")

    async def compact(self) -> AsyncIterator[tuple[int, int]]:
        """See `Store.compact`; memory has no free space of its own."""
        yield 0, 0
