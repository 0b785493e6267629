"""Saved folds as rows."""

from functools import partial

from ...application.ports import SavedFold
from .reader import Reader
from .writer import GroupCommit, Writer


class SqliteFolds:
    """Saves in the background, guarded by the old checkpoint."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        """Write through `writer`, read through `reader`."""
        self._writer = writer
        self._reader = reader

    async def load(self, name: str) -> SavedFold | None:
        """See `FoldStore.load`."""
        sql = "SELECT checkpoint, state FROM fold WHERE name = ?"
        rows = await self._reader.fetch(sql, (name,))
        return SavedFold(*rows[0]) if rows else None

    async def save(self, name: str, saved: SavedFold, expected: int) -> bool:
        """See `FoldStore.save`."""
        job = partial(_save, name=name, saved=saved, expected=expected)
        return await self._writer.submit_in_background(job)

    async def drop(self, name: str) -> None:
        """See `FoldStore.drop`."""
        await self._writer.submit_in_background(partial(_drop, name=name))


def _save(connection: GroupCommit, *, name: str, saved: SavedFold, expected: int) -> bool:
    if expected == 0:
        changed = connection.execute(
            "INSERT INTO fold VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (name, saved.checkpoint, saved.state),
        )
    else:
        changed = connection.execute(
            "UPDATE fold SET checkpoint = ?, state = ? WHERE name = ? AND checkpoint = ?",
            (saved.checkpoint, saved.state, name, expected),
        )
    return changed.rowcount == 1


def _drop(connection: GroupCommit, *, name: str) -> None:
    connection.execute("DELETE FROM fold WHERE name = ?", (name,))
