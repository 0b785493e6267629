"""Free pages go back to the file system, a few at a time, while the file is written."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from ...application.errors import StoreUnavailable
from .file import uri
from .writer import GroupCommit, Writer

PAGES_A_STEP = 256

_INCREMENTAL = 2


async def compact(path: Path, writer: Writer) -> AsyncIterator[tuple[int, int]]:
    """Give back every free page; how many bytes of how many were given back, step by step.

    A file made by the first version does not know its pages' owners: it is rewritten once, as a
    whole, during which writes wait. Raises `StoreUnavailable`.
    """
    page_size, free, mode = await writer.submit_in_background(_state)
    first = free
    yield 0, first * page_size
    if mode != _INCREMENTAL:
        await asyncio.to_thread(_rewrite, path)
    while free:
        left = await writer.submit_in_background(_give_back)
        if left >= free:
            return
        free = left
        yield (first - free) * page_size, first * page_size


def _state(connection: GroupCommit) -> tuple[int, int, int]:
    names = ("page_size", "freelist_count", "auto_vacuum")
    size, free, mode = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return size, free, mode


def _give_back(connection: GroupCommit) -> int:
    connection.execute(f"PRAGMA incremental_vacuum({PAGES_A_STEP})").fetchall()
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def _rewrite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(uri(path, "rw"), uri=True, isolation_level=None)) as database:
            database.executescript("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: can not be rewritten: {error}") from error
