"""Rows in SQLite: what a service does that keeps its requests in a table."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from opsboard.domain.sample import SampleBatch, SeriesKey

from .peers import COLUMNS, SERIES, Answer, Latencies, Row, rows_of
from .traffic import DAY_MS, END_MS

_CREATE = f"""
CREATE TABLE sample(
    service TEXT NOT NULL, route TEXT NOT NULL, method TEXT NOT NULL, status_code INTEGER NOT NULL,
    latency_ns INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sample_series ON sample({SERIES}, ended_at_ms);
"""
_INSERT = f"INSERT INTO sample({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
_ASK = f"""
WITH ranked AS (
    SELECT {SERIES}, latency_ns,
           row_number() OVER (PARTITION BY {SERIES} ORDER BY latency_ns) AS rank,
           count(*) OVER (PARTITION BY {SERIES}) AS total
    FROM sample WHERE ended_at_ms >= ? AND ended_at_ms < ?
)
SELECT {SERIES}, total,
       max(CASE WHEN rank = (total * 50 + 99) / 100 THEN latency_ns END) / 1e6,
       max(CASE WHEN rank = (total * 95 + 99) / 100 THEN latency_ns END) / 1e6,
       max(CASE WHEN rank = (total * 99 + 99) / 100 THEN latency_ns END) / 1e6
FROM ranked GROUP BY {SERIES}
"""  # noqa: S608


class SqliteRows:
    """One table with an index, in WAL mode with `synchronous = FULL`."""

    version = f"SQLite {sqlite3.sqlite_version}"

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Create the table."""
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_CREATE)

    def insert(self, rows: Iterable[Row]) -> None:
        """These rows, in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_INSERT, rows)
        self._connection.execute("COMMIT")

    def load(self, chunks: Iterable[SampleBatch]) -> None:
        """See `Peer.load`."""
        for chunk in chunks:
            self.insert(rows_of(chunk))

    def ask(self) -> Answer:
        """See `Peer.ask`."""
        rows = self._connection.execute(_ASK, (END_MS - DAY_MS, END_MS))
        return {SeriesKey(*row[:4]): Latencies(*row[4:]) for row in rows}


@contextmanager
def sqlite_rows(folder: Path) -> Iterator[SqliteRows]:
    """A new table in a file in `folder`."""
    with closing(sqlite3.connect(folder / "rows.db", isolation_level=None)) as connection:
        yield SqliteRows(connection)
