"""Two stores that live through the same: one in memory, one in a file that can be cut off."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import msgspec
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import ErrorGroupNotFound, EventNotFound, IdempotencyClash
from opsboard.application.ports import Store
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.metrics import MetricsSnapshot
from opsboard.domain.retention import Retention
from opsboard.domain.validation import InvalidInput

from ...fakes import CountingIds, ManualClock

REFUSALS = (InvalidInput, IdempotencyClash, EventNotFound, ErrorGroupNotFound)
IDS_OF_A_PROCESS = 1_000_000
"""So many names may a process use up before it could give one that the next one gives."""

Step = Callable[[Opsboard], Awaitable[Any]]


class World(Protocol):
    """A store over which processes come and go."""

    name: str

    def store(self) -> Store:
        """The store as the next process opens it."""
        ...

    def lose_power(self) -> None:
        """What the machine had in memory is gone, and what was committed stays."""
        ...


class Memory:
    """The reference: it lasts as long as this object."""

    name = "memory"

    def __init__(self, clock: ManualClock) -> None:
        self._store = MemoryStore(clock)

    def store(self) -> Store:
        return self._store

    def lose_power(self) -> None:
        """Nothing of a store in memory can be lost alone."""


class File:
    """One SQLite file, with its write-ahead log."""

    name = "sqlite"

    def __init__(self, clock: ManualClock, folder: Path) -> None:
        self._clock = clock
        self._folder = folder
        self._cuts = 0
        self.path = folder / "ops-0.db"

    def store(self) -> Store:
        return SqliteStore(self.path, self._clock)

    def lose_power(self) -> None:
        """Go on with the file and the log as they are on the disk, open as they are."""
        self._cuts += 1
        left = self._folder / f"ops-{self._cuts}.db"
        for suffix in ("", "-wal"):
            with_suffix = self.path.with_name(f"{self.path.name}{suffix}")
            if with_suffix.exists():
                shutil.copyfile(with_suffix, left.with_name(f"{left.name}{suffix}"))
        self.path = left


class Process:
    """A board over an open store, of which the background work is done step by step instead."""

    def __init__(self, board: Opsboard, opened: AsyncExitStack) -> None:
        self.board = board
        self._opened = opened

    @classmethod
    async def start(
        cls, world: World, number: int, clock: ManualClock, retention: Retention, max_series: int
    ) -> "Process":
        ids = CountingIds()
        ids.given = number * IDS_OF_A_PROCESS
        opened = AsyncExitStack()
        store = await opened.enter_async_context(world.store().opened())
        board = Opsboard(store, clock, ids, retention=retention, max_series=max_series)
        await board._load()
        return cls(board, opened)

    async def take(self, step: Step) -> tuple[str, Any]:
        """What a step came to: an answer, or a refusal in its words."""
        try:
            outcome = "answered", of_any(await step(self.board))
        except REFUSALS as refusal:
            outcome = "refused", f"{type(refusal).__name__}: {refusal}"
        await asyncio.gather(*self.board._said)
        return outcome

    async def end(self) -> None:
        """As at the end of `async with`: nothing stays unwritten."""
        await self.board._settle()
        await self._opened.aclose()

    async def die(self) -> None:
        """Without another word; only the file is let go of."""
        await self._opened.aclose()


def of_any(answer: Any) -> Any:
    """The answer without what is of one process alone."""
    if isinstance(answer, MetricsSnapshot):
        return msgspec.structs.replace(answer, uptime_seconds=0)
    return answer


async def faults(store: Store) -> list[str]:
    return [fault async for fault in verify(store)]


async def ends(store: Store) -> list[tuple[str, Any, Any]]:
    """Where each stream ends and where it was cut: two journals that agree in this are alike."""
    journal = store.journal
    return [(stream, await journal.head(stream), await journal.cut(stream)) for stream in Stream]
