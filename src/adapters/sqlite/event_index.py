"""The read model of events: a row and its words each, searched with FTS5."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ...application.errors import DamagedReadModel, StoreUnavailable
from ...application.readable import readable
from ...domain.entry import Recorded, Stream
from ...domain.event import EventFilter, OperationalEvent, RecordedEvent
from ...domain.summary import EventSummary
from ...domain.words import TextQuery
from .file import uri
from .journal import SqliteJournal
from .reader import Reader, Row
from .schema import EVENT_WORDS
from .writer import GroupCommit, Writer

PAGE = 512
TAIL_PAGE = 256

_CHECKPOINT = "SELECT checkpoint FROM fold WHERE name = 'event_index'"
_COLUMNS = "number, ts, level, type, service, message, meta"


class SqliteEventIndex:
    """Answers from the index up to its checkpoint, and from the journal's tail behind it."""

    def __init__(self, path: Path, journal: SqliteJournal, writer: Writer, reader: Reader) -> None:
        """Index what `journal` holds, in the file at `path`."""
        self._path = path
        self._journal = journal
        self._writer = writer
        self._reader = reader

    async def checkpoint(self) -> int:
        """See `EventIndex.checkpoint`."""
        return int(await self._reader.fetch_value(_CHECKPOINT))

    async def add(self, events: Sequence[RecordedEvent], checkpoint: int, expected: int) -> bool:
        """See `EventIndex.add`."""
        rows = [_row(event) for event in events]
        job = partial(_add, rows=rows, checkpoint=checkpoint, expected=expected)
        return await self._writer.submit_in_background(job)

    async def clear(self) -> None:
        """See `EventIndex.clear`."""
        await self._writer.submit_in_background(_clear)

    async def search(
        self, wanted: EventFilter, limit: int, before: int | None = None
    ) -> list[RecordedEvent]:
        """See `EventIndex.search`."""
        checkpoint = await self.checkpoint()
        found: list[RecordedEvent] = []
        async for page in self._tail(wanted, checkpoint, before):
            found += page[: limit - len(found)]
            if len(found) == limit:
                break
        else:
            upto = checkpoint if before is None else min(checkpoint, before - 1)
            found += await self._search_indexed(wanted, limit - len(found), upto)
        return found

    async def _tail(
        self, wanted: EventFilter, after: int, before: int | None = None
    ) -> AsyncIterator[list[RecordedEvent]]:
        """What the filter wants of the events after the checkpoint, newest first, page by page."""
        end = (await self._journal.head(Stream.EVENTS)).number
        if before is not None:
            end = min(end, before - 1)
        while end > after:
            start = max(after, end - TAIL_PAGE)
            found: list[RecordedEvent] = []
            async for page in self._journal.read(Stream.EVENTS, start, end):
                found += self._wanted(wanted, page)
            yield found[::-1]
            end = start

    def _wanted(self, wanted: EventFilter, page: Sequence[Recorded]) -> Iterator[RecordedEvent]:
        query = wanted.query
        if query is not None:
            page = [each for each in page if query.may_match(each.encoded.payload)]
        for number, event in readable(self._journal, page, OperationalEvent):
            if wanted.wants(event):
                yield RecordedEvent(number, event)

    async def _search_indexed(
        self, wanted: EventFilter, limit: int, upto: int
    ) -> list[RecordedEvent]:
        where, parameters = _conditions(wanted, upto)
        sql = f"SELECT {_COLUMNS} FROM event WHERE {where} ORDER BY number DESC LIMIT ?"
        return [_event(row) for row in await self._reader.fetch(sql, (*parameters, limit))]

    async def get(self, id: int) -> RecordedEvent | None:
        """See `EventIndex.get`."""
        async for page in self._journal.read(Stream.EVENTS, id - 1, id):
            for found in readable(self._journal, page, OperationalEvent):
                return RecordedEvent(*found)
        return None

    async def summarise(self, wanted: EventFilter) -> EventSummary:
        """See `EventIndex.summarise`."""
        checkpoint = await self.checkpoint()
        summary = EventSummary()
        where, parameters = _conditions(wanted, checkpoint)
        sql = (
            f"SELECT level, service, type, count(*) FROM event WHERE {where} "
            "GROUP BY level, service, type"
        )
        for level, service, type_, count in await self._reader.fetch(sql, parameters):
            summary.add(level, service, type_, count)
        async for page in self._tail(wanted, checkpoint):
            for recorded in page:
                summary.evolve(recorded.event)
        return summary

    async def indexed(
        self, after: int, until: int
    ) -> AsyncIterator[tuple[RecordedEvent, list[str]]]:
        """See `EventIndex.indexed`."""
        sql = (
            f"SELECT {_COLUMNS}, words FROM event "
            "WHERE number > ? AND number <= ? ORDER BY number LIMIT ?"
        )
        while rows := await self._reader.fetch(sql, (after, until, PAGE)):
            for *row, words in rows:
                yield _event(tuple(row)), words.split()
            after = rows[-1][0]

    async def trim(self, upto: int) -> None:
        """See `EventIndex.trim`."""
        await self._writer.submit_in_background(partial(_trim, upto=upto))

    async def faults(self) -> list[str]:
        """See `EventIndex.faults`."""
        try:
            return await asyncio.to_thread(_integrity_faults, self._path)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the word index can not be checked: {error}") from error


_COPY = (
    "CREATE TABLE copy.event(number INTEGER PRIMARY KEY, words TEXT NOT NULL)",
    "INSERT INTO copy.event SELECT number, words FROM main.event",
    *(
        statement
        for part in ("data", "idx", "config")
        for statement in (
            f"DELETE FROM copy.event_words_{part}",
            f"INSERT INTO copy.event_words_{part} SELECT * FROM main.event_words_{part}",
        )
    ),
)
_INTEGRITY_CHECK = "INSERT INTO copy.event_words(event_words, rank) VALUES ('integrity-check', 1)"


def _conditions(wanted: EventFilter, upto: int) -> tuple[str, list[Any]]:
    given = {
        "number <= ?": upto,
        "level = ?": wanted.level,
        "type = ?": wanted.type,
        "service = ?": wanted.service,
        "ts >= ?": wanted.since,
        "ts < ?": wanted.until,
        "number IN (SELECT rowid FROM event_words WHERE event_words MATCH ?)": (
            None if wanted.query is None else _match(wanted.query)
        ),
    }
    present = {sql: value for sql, value in given.items() if value is not None}
    return " AND ".join(present), list(present.values())


def _match(query: TextQuery) -> str:
    """Words hold letters and digits only, so a quoted one is inert whatever it says."""
    return " ".join([f'"{w}"' for w in query.wanted] + [f'"{p}"*' for p in query.prefixes])


def _row(recorded: RecordedEvent) -> tuple[Any, ...]:
    e = recorded.event
    meta = msgspec.json.encode(e.meta)
    return (recorded.id, e.ts, e.level, e.type, e.service, e.message, meta, " ".join(e.words()))


def _event(row: Row) -> RecordedEvent:
    number, ts, level, type_, service, message, meta = row
    try:
        decoded = msgspec.json.decode(meta)
    except (ValueError, TypeError) as error:
        what = f"event {number} is damaged in the index: {error}"
        raise DamagedReadModel(f"{what}; `opsboard rebuild` mends it") from error
    return RecordedEvent(number, OperationalEvent(ts, level, type_, service, message, decoded))


def _add(
    connection: GroupCommit, *, rows: Sequence[tuple[Any, ...]], checkpoint: int, expected: int
) -> bool:
    moved = connection.execute(
        "UPDATE fold SET checkpoint = ? WHERE name = 'event_index' AND checkpoint = ?",
        (checkpoint, expected),
    )
    if moved.rowcount == 0:
        return False
    connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute(
        "INSERT INTO event_words(rowid, words) "
        "SELECT number, words FROM event WHERE number > ? AND number <= ?",
        (expected, checkpoint),
    )
    return True


def _trim(connection: GroupCommit, *, upto: int) -> None:
    connection.execute(
        "INSERT INTO event_words(event_words, rowid, words) "
        "SELECT 'delete', number, words FROM event WHERE number <= ?",
        (upto,),
    )
    connection.execute("DELETE FROM event WHERE number <= ?", (upto,))


def _clear(connection: GroupCommit) -> None:
    connection.execute("INSERT INTO event_words(event_words) VALUES ('delete-all')")
    connection.execute("DELETE FROM event")
    connection.execute("UPDATE fold SET checkpoint = 0 WHERE name = 'event_index'")


def _integrity_faults(path: Path) -> list[str]:
    """SQLite's own check, on a copy: it counts as a write, for which all others would wait."""
    address = uri(path, "rw")
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        connection.execute("ATTACH '' AS copy")
        connection.execute(f"CREATE VIRTUAL TABLE copy.event_words USING {EVENT_WORDS}")
        try:
            connection.execute("BEGIN")
            for statement in _COPY:
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute(_INTEGRITY_CHECK)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            return [f"the word index does not match the events: {error}"]
    return []
