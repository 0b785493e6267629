"""A copy of the file as it is at one moment, made while it is written."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event

from ...application.errors import StoreUnavailable
from .file import uri

_SYNC_EVERY_SECONDS = 0.01


async def back_up(source: Path, target: Path) -> None:
    """Copy the store at `source` to a new file at `target`, whole or not at all.

    Raises `StoreUnavailable` naming the target, also where there is such a file already.
    """
    try:
        await asyncio.to_thread(_copy, source, target)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreUnavailable(f"{target}: can not be written: {reason}") from error


def _copy(source: Path, target: Path) -> None:
    """Beside its place first, so that nobody takes half a copy for a whole one."""
    if target.exists():
        raise FileExistsError(17, "it exists already", str(target))
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        with (
            closing(sqlite3.connect(uri(source, "ro"), uri=True, isolation_level=None)) as database,
            _synced_part_by_part(draft),
        ):
            database.execute("VACUUM INTO ?", (str(draft),))
        _sync(draft)
        draft.rename(target)


@contextmanager
def _synced_part_by_part(file: Path) -> Iterator[None]:
    """What is written to it goes on to the disk meanwhile.

    All of it at once would be what every commit on the same disk waits for.
    """
    written = Event()

    def sync() -> None:
        while not written.wait(_SYNC_EVERY_SECONDS):
            with suppress(FileNotFoundError):
                _sync(file)

    with ThreadPoolExecutor(1) as beside:
        syncing = beside.submit(sync)
        try:
            yield
        finally:
            written.set()
        syncing.result()  # a failed sync is told once: the next one may not know of it


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
