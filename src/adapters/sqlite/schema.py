"""What lies in the file, and how a file of an older opsboard is brought up to it."""

import sqlite3
from collections.abc import Iterator, Mapping

from ...domain.entry import Stream

APPLICATION_ID = 0x4F505342
VERSION = 3

EVENT_WORDS = """fts5(
    words, content='event', content_rowid='number', tokenize='ascii', detail='none', columnsize=0
)"""
"""What the full-text index is, beside the table `event`."""

_STREAM = """
CREATE TABLE {stream}_entry(
    number INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL,
    hash BLOB NOT NULL,
    key TEXT,
    fingerprint BLOB
) STRICT;
CREATE INDEX {stream}_entry_key ON {stream}_entry(key) WHERE key IS NOT NULL;
INSERT INTO head VALUES ('{stream}', 0, zeroblob(32), 0);
"""

_ROLLUPS = """
CREATE TABLE cut(
    stream TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rollup(
    tier INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    rollups BLOB NOT NULL,
    UNIQUE (tier, start_ms)
) STRICT;
CREATE TABLE settled(
    minute INTEGER PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    rollups BLOB NOT NULL
) STRICT;
CREATE TABLE minute_entry(
    minute INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (minute, number)
) STRICT, WITHOUT ROWID;
"""

_CREATE = f"""
CREATE TABLE store(id TEXT NOT NULL, probe INTEGER NOT NULL) STRICT;
INSERT INTO store VALUES (lower(hex(randomblob(16))), 0);
CREATE TABLE head(
    stream TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
{_ROLLUPS}
CREATE TABLE fold(
    name TEXT PRIMARY KEY,
    checkpoint INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE event(
    number INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    level TEXT NOT NULL,
    type TEXT NOT NULL,
    service TEXT NOT NULL,
    message TEXT NOT NULL,
    meta BLOB NOT NULL,
    words TEXT NOT NULL
) STRICT;
CREATE INDEX event_ts ON event(ts);
CREATE INDEX event_level ON event(level);
CREATE INDEX event_service ON event(service);
CREATE INDEX event_type ON event(type);
CREATE VIRTUAL TABLE event_words USING {EVENT_WORDS};
INSERT INTO fold VALUES ('event_index', 0, x'');
"""

MIGRATIONS: Mapping[int, str] = {
    1: f"{_ROLLUPS} DELETE FROM fold WHERE name = 'request_metrics';",
    2: "",
}
"""SQL that brings a file of schema version N to N + 1.

Version 3 is laid out as version 2, but may hold histograms, which an older opsboard would leave out
of its rollups for good: it has to refuse the file.
"""


def create(connection: sqlite3.Connection) -> None:
    """Lay out an empty store in an empty database, in one transaction."""
    streams = "".join(_STREAM.format(stream=stream) for stream in Stream)
    connection.executescript(
        "PRAGMA auto_vacuum = INCREMENTAL; BEGIN IMMEDIATE;"
        f"PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = {VERSION}; {_CREATE} {streams} COMMIT;"
    )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of an older version up to this one, in one transaction.

    The version is read within it: another process may have done so, and the file's header says
    nothing of what is still in the write-ahead log.
    """
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for step in range(version, VERSION):
        for statement in _statements(MIGRATIONS[step]):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    """One by one: `executescript` would end the transaction."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def newest(connection: sqlite3.Connection, stream: str) -> int:
    """The number of the newest entry in a stream, be it removed since; in a file of any version."""
    (found,) = connection.execute(f"SELECT max(number) FROM {stream}_entry").fetchone()
    if found is None and connection.execute("PRAGMA table_info(cut)").fetchone():
        sql = "SELECT number FROM cut WHERE stream = ?"
        (found,) = connection.execute(sql, (stream,)).fetchone() or (0,)
    return found or 0
