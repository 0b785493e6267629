"""The store in one file: its writer, its readers, and what they serve."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...application.errors import DamagedSetting, StoreUnavailable, StoreUnusable
from ...application.growth import Growth
from ...application.ports import Clock, StoreVitals
from ...domain.entry import Stream
from .appending import appending_writer
from .backup import back_up
from .checkpoint import checkpoint_all
from .compact import compact
from .event_index import SqliteEventIndex
from .file import integrity_faults, prepare, size_on_disk
from .folds import SqliteFolds
from .journal import SqliteJournal
from .reader import Reader
from .rollups import SqliteRollups
from .writer import GroupCommit

POLL_SECONDS = 0.1


class SqliteStore:
    """A journal and its read models in the SQLite file at `path`; opened once in its life."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Cheap: nothing is touched before `opened`."""
        self._path = path
        self._opened = False
        self._growth = Growth()
        self._writer = appending_writer(path, self._growth.notify, clock)
        self._for_journal, self._for_queries = Reader(), Reader()
        self.journal = SqliteJournal(clock, self._writer, self._for_journal, self._growth)
        self.event_index = SqliteEventIndex(path, self.journal, self._writer, self._for_queries)
        self.rollups = SqliteRollups(self._writer, self._for_queries)
        self.folds = SqliteFolds(self._writer, self._for_queries)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["SqliteStore"]:
        """See `Store.opened`."""
        if self._opened:
            raise StoreUnusable(f"{self._path}: was opened before; a new store opens it again")
        self._opened = True
        await asyncio.to_thread(prepare, self._path)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._writing())
            for reader in (self._for_journal, self._for_queries):
                await stack.enter_async_context(reader.opened(self._path))
            for work in (self._poll(), checkpoint_all(self._path, self._growth)):
                await stack.enter_async_context(_in_background(work))
            yield self

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(self._writer.run(ready))
        try:
            try:
                await asyncio.shield(ready)
            except StoreUnavailable as error:
                raise StoreUnusable(f"{self._path}: can not be used: {error}") from error
            yield
        finally:
            self._writer.close()
            await running

    async def _poll(self) -> None:
        """Learn of what other processes append: `data_version` changes with any commit."""
        known, heads = None, dict.fromkeys(Stream, 0)
        while True:
            with suppress(StoreUnavailable):
                version = await self._for_journal.fetch_value("PRAGMA data_version")
                if version != known:
                    rows = await self._for_journal.fetch("SELECT stream, number FROM head")
                    found = {Stream(stream): number for stream, number in rows}
                    self._growth.notify([s for s in Stream if found[s] != heads[s]])
                    known, heads = version, found
            await asyncio.sleep(POLL_SECONDS)

    async def setting(self, name: str) -> str | None:
        """See `Store.setting`."""
        sql = "SELECT CAST(name AS BLOB), CAST(value AS BLOB) FROM setting"
        stored: dict[bytes, bytes] = dict(await self._for_queries.fetch(sql))
        own = stored.get(name.encode())
        if own is not None:
            return _checked(name.encode(), own)
        for other, value in stored.items():  # one whose name is damaged may be this one
            _checked(other, value)
        return None

    async def keep_setting(self, name: str, value: str) -> None:
        """See `Store.keep_setting`."""
        await self._writer.submit_in_background(partial(_keep_setting, name=name, value=value))

    async def backup(self, path: Path) -> None:
        """See `Store.backup`."""
        await back_up(self._path, path)

    def compact(self) -> AsyncIterator[tuple[int, int]]:
        """See `Store.compact`."""
        return compact(self._path, self._writer)

    async def faults(self) -> list[str]:
        """See `Store.faults`."""
        return await asyncio.to_thread(integrity_faults, self._path)

    async def check_writable(self) -> None:
        """See `Store.check_writable`."""
        await self._writer.submit_probe(_probe)
        self._writer.refusals.check()

    async def vitals(self) -> StoreVitals:
        """See `Store.vitals`; the size is that of the file and its write-ahead log."""
        return StoreVitals(
            await asyncio.to_thread(size_on_disk, self._path),
            self._writer.waiting,
            self._writer.commit_times.total,
        )


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _keep_setting(connection: GroupCommit, *, name: str, value: str) -> None:
    checksum = _checksum(name.encode(), value.encode())
    row = (name, f"{value}\n{checksum.decode()}")
    connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", row)


def _checked(name: bytes, stored: bytes) -> str:
    """The setting without its checksum, which older versions did not write."""
    value, written, checksum = stored.partition(b"\n")
    if written and checksum != _checksum(name, value):
        said = f"{name.decode(errors='replace')!r} is damaged: {value.decode(errors='replace')!r}"
        raise DamagedSetting(f"the setting {said}; choose it again")
    return value.decode()


def _checksum(name: bytes, value: bytes) -> bytes:
    return b"%08x" % zlib.crc32(name + b"\n" + value)


def _probe(connection: GroupCommit) -> None:
    connection.execute("UPDATE store SET probe = probe + 1")
