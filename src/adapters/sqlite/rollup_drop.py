"""Rollups are dropped, and what is damaged with them, so that they are folded anew."""

import sqlite3

from ...application.errors import DamagedReadModel
from ...domain.tier import Tier
from .rollup_rows import (
    COLUMNS,
    FOLDS,
    SERIES,
    SETTLED_UPTO,
    STREAMS,
    TOTAL,
    number_of,
    unpacked_streams,
)
from .writer import GroupCommit


def damaged_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables with indexes of which SQLite finds that they do not match, or anything else."""
    sql = "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'index'"
    return [table for (table,) in connection.execute(sql).fetchall() if _fault(connection, table)]


def _fault(connection: sqlite3.Connection, table: str) -> bool:
    try:
        found = connection.execute(f"PRAGMA integrity_check('{table}')").fetchall()
    except sqlite3.DatabaseError:
        return True
    return found != [("ok",)]


def reindex(connection: GroupCommit, *, table: str) -> None:
    """Make the indexes of a table anew."""
    connection.execute(f"REINDEX {table}")


def drop_all(connection: GroupCommit) -> None:
    """Drop what can be folded anew, down to what retention has settled."""
    _drop_what_is_damaged(connection)
    for tier in Tier:
        connection.execute(
            f"DELETE FROM rollup WHERE tier = {tier:d} AND start_ms IN "
            f"(SELECT minute - minute % {tier:d} FROM minute_entry)"
        )
    connection.execute(
        f"INSERT OR REPLACE INTO rollup({COLUMNS}) "
        f"SELECT {Tier.MINUTE:d}, minute, first_ms, last_ms, rollups FROM settled"
    )
    connection.execute("DELETE FROM settled")
    connection.execute("DELETE FROM minute_entry")
    if upto := number_of(connection, SETTLED_UPTO):
        connection.execute("INSERT OR REPLACE INTO fold VALUES (?, ?, x'')", (TOTAL, upto))
    else:
        connection.execute("DELETE FROM rollup")
        connection.execute("DELETE FROM fold WHERE name IN (?, ?)", (TOTAL, SERIES))


def _drop_what_is_damaged(connection: GroupCommit) -> None:
    """What counters stood at stays: folding the same entries again does not change it."""
    _drop_unknown_names(connection)
    places = ", ".join("?" * len(Tier))
    connection.execute(f"DELETE FROM rollup WHERE tier NOT IN ({places})", tuple(Tier))
    sql = "SELECT state FROM fold WHERE name = ?"
    for (blob,) in connection.execute(sql, (STREAMS,)).fetchall():
        try:
            unpacked_streams(blob)
        except DamagedReadModel:
            connection.execute("DELETE FROM fold WHERE name = ?", (STREAMS,))


def _drop_unknown_names(connection: GroupCommit) -> None:
    """A fold whose name is damaged is folded anew, but for the one that nothing brings back."""
    stored = dict(connection.execute("SELECT name, state FROM fold").fetchall())
    unknown = stored.keys() - FOLDS
    if SETTLED_UPTO not in stored and "event_index" in stored:
        for name in unknown:
            if not stored[name]:
                what = f"the fold {name!r} may be {SETTLED_UPTO!r}, which the journal does not tell"
                raise DamagedReadModel(f"{what}: go back to a backup")
    connection.executemany("DELETE FROM fold WHERE name = ?", [(name,) for name in unknown])
