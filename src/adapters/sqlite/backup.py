"""A copy of the file as it is at one moment, made while it is written."""

import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from ...application.errors import StoreUnavailable
from .file import uri


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
        with closing(
            sqlite3.connect(uri(source, "ro"), uri=True, isolation_level=None)
        ) as database:
            database.execute("VACUUM INTO ?", (str(draft),))
        with draft.open("rb") as copy:
            os.fsync(copy.fileno())
        draft.rename(target)
