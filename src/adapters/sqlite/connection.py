"""Connections that end with their context, whatever became of their opening."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from .file import uri

_ROWS_A_HOP = 64


@asynccontextmanager
async def connected(path: Path, mode: str, **options: Any) -> AsyncIterator[aiosqlite.Connection]:
    """A connection to the file at `path`, with a thread of its own. Raises `sqlite3.Error`.

    aiosqlite turns its back on the thread where the opening fails or is cancelled: the thread then
    speaks to a loop that may have ended. Here it has said its last word when the context is left.
    """
    failures: list[sqlite3.Error] = []

    def connect() -> sqlite3.Connection:
        try:
            made: sqlite3.Connection = sqlite3.connect(
                uri(path, mode), uri=True, isolation_level=None, **options
            )
        except sqlite3.Error as error:
            failures.append(error)
            made = sqlite3.connect(":memory:")
        return made

    opening = asyncio.ensure_future(aiosqlite.Connection(connect, _ROWS_A_HOP))
    try:
        database = await asyncio.shield(opening)
        if failures:
            raise failures[0]
        yield database
    finally:
        await (await opening).close()
