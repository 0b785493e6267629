"""The journal as tables, one for each stream."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from functools import partial

from ...application.errors import BrokenChain
from ...application.growth import Growth, follow
from ...application.ports import Appended, Clock
from ...domain.entry import (
    Encoded,
    Entry,
    Head,
    IdempotencyKey,
    Recorded,
    Stream,
    first_break,
)
from ..encoding import CODEC
from .appending import COLUMNS, Append, read_head, tail_of
from .reader import Reader, Row
from .writer import GroupCommit, Writer

PAGE = 256
PAGE_OF = {Stream.SAMPLES: 64}


class SqliteJournal:
    """Appends through the writer, reads through a reader."""

    decode = staticmethod(CODEC.decode_recorded)

    def __init__(self, clock: Clock, writer: Writer, reader: Reader, growth: Growth) -> None:
        """Entries are recorded at the times of `clock`; `growth` wakes those who follow."""
        self._clock = clock
        self._writer = writer
        self._reader = reader
        self._growth = growth

    async def append(
        self, stream: Stream, entries: Sequence[Entry], key: IdempotencyKey | None = None
    ) -> Appended:
        """See `Journal.append`."""
        encoded = [CODEC.encode(entry) for entry in entries]
        job = Append(stream, encoded, self._clock.now(), key)
        return await self._writer.submit(job, sum(len(e.payload) for e in encoded))

    async def restore(self, entries: Sequence[Recorded]) -> None:
        """See `Journal.restore`."""
        if entries:
            await self._writer.submit(partial(_restore, entries=entries))

    async def read(
        self, stream: Stream, after: int = 0, until: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """See `Journal.read`."""
        page_size = PAGE_OF.get(stream, PAGE)
        sql = (
            f"SELECT {COLUMNS} FROM {stream}_entry "
            "WHERE number > ? AND number <= ? ORDER BY number LIMIT ?"
        )
        last = 2**63 - 1 if until is None else until
        while rows := await self._reader.fetch(sql, (after, last, page_size)):
            yield [_recorded(stream, row) for row in rows]
            after = rows[-1][0]
            if len(rows) < page_size:
                return

    def follow(self, stream: Stream, after: int = 0) -> AsyncIterator[Sequence[Recorded]]:
        """See `Journal.follow`."""
        return follow(self, self._growth, stream, after)

    async def head(self, stream: Stream) -> Head:
        """See `Journal.head`."""
        return await self._reader.ask(partial(read_head, stream=stream))

    async def cut(self, stream: Stream) -> Head:
        """See `Journal.cut`."""
        return await self._reader.ask(partial(_cut, stream=stream))

    async def trim(self, stream: Stream, upto: int) -> None:
        """See `Journal.trim`."""
        await self._writer.submit_in_background(partial(_trim, stream=stream, upto=upto))

    async def number_at(self, stream: Stream, moment: int) -> int:
        """See `Journal.number_at`."""
        return await self._reader.ask(partial(_number_at, stream=stream, moment=moment))

    async def size(self, stream: Stream) -> tuple[int, int]:
        """See `Journal.size`."""
        sql = f"SELECT count(*), ifnull(sum(length(payload)), 0) FROM {stream}_entry"
        ((count, size),) = await self._reader.fetch(sql)
        return count, size

    async def restore_cut(self, stream: Stream, cut: Head) -> None:
        """See `Journal.restore_cut`."""
        await self._writer.submit(partial(_restore_cut, stream=stream, cut=cut))


def _cut(connection: sqlite3.Connection, *, stream: Stream) -> Head:
    sql = "SELECT number, hash, recorded_at FROM cut WHERE stream = ?"
    found = connection.execute(sql, (stream,)).fetchone()
    return Head(*found) if found else Head()


def _trim(connection: GroupCommit, *, stream: Stream, upto: int) -> None:
    entries = f"{stream}_entry"
    kept = connection.execute(
        "INSERT OR REPLACE INTO cut "
        f"SELECT ?, number, hash, recorded_at FROM {entries} WHERE number = ?",
        (stream, upto),
    )
    if kept.rowcount:
        connection.execute(f"DELETE FROM {entries} WHERE number <= ?", (upto,))


def _number_at(connection: sqlite3.Connection, *, stream: Stream, moment: int) -> int:
    """By halving: times never fall within a stream, and an index of them would cost each append."""
    low, high = _cut(connection, stream=stream).number, read_head(connection, stream).number
    sql = f"SELECT recorded_at FROM {stream}_entry WHERE number = ?"
    while low < high:
        middle = (low + high + 1) // 2
        (recorded_at,) = connection.execute(sql, (middle,)).fetchone()
        low, high = (middle, high) if recorded_at <= moment else (low, middle - 1)
    return low


def _restore_cut(connection: GroupCommit, *, stream: Stream, cut: Head) -> None:
    head = read_head(connection, stream)
    if head != Head() and not head == cut == _cut(connection, stream=stream):
        raise BrokenChain(f"{stream} is not empty, so it can not start after {cut.number}")
    place = (cut.number, cut.hash, cut.recorded_at, stream)
    connection.execute(
        "UPDATE head SET number = ?, hash = ?, recorded_at = ? WHERE stream = ?", place
    )
    connection.execute(
        "INSERT OR REPLACE INTO cut(number, hash, recorded_at, stream) VALUES (?, ?, ?, ?)", place
    )


def _recorded(stream: Stream, row: Row) -> Recorded:
    number, recorded_at, kind, version, payload, hash_, key, fingerprint = row
    encoded = Encoded(kind, version, payload)
    return Recorded(stream, number, recorded_at, encoded, hash_, key, fingerprint)


def _restore(connection: GroupCommit, *, entries: Sequence[Recorded]) -> None:
    stream = entries[0].stream
    tail = tail_of(connection, stream)
    broken = first_break(tail.head, entries)
    if broken is not None:
        raise BrokenChain(f"{stream} {broken.number} does not follow the entry before it")
    tail.add(entries)
