"""Saved folds in the table `fold`: a frame each, compressed, with its checksum."""

import asyncio
from functools import partial

from ...application.ports import SavedFold
from ..columns import DamagedColumns, pack, unpack
from .reader import Reader
from .writer import GroupCommit, Writer

_MAGIC, _VERSION = b"OPSF", 1


class SqliteFolds:
    """Packs on a thread of its own: the writer only writes."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        """Write through `writer`, read through `reader`."""
        self._writer = writer
        self._reader = reader

    async def load(self, name: str) -> SavedFold:
        """See `FoldStore.load`."""
        sql = "SELECT checkpoint, state FROM fold WHERE name = ?"
        rows = await self._reader.fetch(sql, (name,))
        if not rows:
            return SavedFold()
        checkpoint, blob = rows[0]
        return SavedFold(checkpoint, await asyncio.to_thread(_state, blob))

    async def save(self, name: str, fold: SavedFold, expected: int) -> bool:
        """See `FoldStore.save`."""
        blob = await asyncio.to_thread(pack, _MAGIC, _VERSION, fold.state or b"", [])
        place = {"name": name, "checkpoint": fold.checkpoint, "state": blob, "expected": expected}
        return await self._writer.submit_in_background(partial(_save, place=place))

    async def clear(self, name: str) -> None:
        """See `FoldStore.clear`."""
        await self._writer.submit_in_background(partial(_clear, name=name))


def _state(blob: bytes) -> bytes | None:
    try:
        state, _ = unpack(_MAGIC, _VERSION, blob)
    except DamagedColumns:
        return None
    return state


def _save(connection: GroupCommit, *, place: dict[str, object]) -> bool:
    saved = connection.execute(
        "UPDATE fold SET checkpoint = :checkpoint, state = :state "
        "WHERE name = :name AND checkpoint = :expected",
        place,
    )
    if saved.rowcount == 0 and place["expected"] == 0:
        saved = connection.execute(
            "INSERT OR IGNORE INTO fold VALUES (:name, :checkpoint, :state)", place
        )
    return saved.rowcount > 0


def _clear(connection: GroupCommit, *, name: str) -> None:
    connection.execute("DELETE FROM fold WHERE name = ?", (name,))
