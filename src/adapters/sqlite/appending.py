"""How entries get into the table of their stream.

While requests are served, whoever runs a statement waits for the interpreter's lock when it has
run: so a batch is written by few of them, and where it only appends by a single one, which is a
transaction of its own.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import msgspec

from ...application.errors import IdempotencyClash
from ...application.ports import KEY_LIFETIME_NS, Appended, Clock
from ...domain.entry import Encoded, Head, IdempotencyKey, Recorded, Stream, append_to
from .writer import GroupCommit, OnCommit, Writer

MAX_ROWS = 64
"""In one statement; there is one for each number of rows."""

COLUMNS = "number, recorded_at, kind, version, payload, hash, key, fingerprint"
_HEADS_FOLLOW = "".join(
    f"""
CREATE TEMP TRIGGER {stream}_head AFTER INSERT ON main.{stream}_entry BEGIN
    UPDATE head SET number = new.number, hash = new.hash, recorded_at = new.recorded_at
    WHERE stream = '{stream}';
END;
"""
    for stream in Stream
)
"""What a connection that inserts entries has to run once: the head of a stream is its newest."""


class Append(msgspec.Struct, frozen=True):
    """The job that appends entries to a stream, at `now`; under a key, or under none."""

    stream: Stream
    encoded: Sequence[Encoded]
    now: int
    key: IdempotencyKey | None

    def __call__(self, connection: GroupCommit) -> Appended:
        """Append within a transaction, whatever else is in it. Raises `IdempotencyClash`."""
        tail = tail_of(connection, self.stream)
        if self.key is not None:
            first = tail.first_use(connection, self.key, self.now)
            if first is not None:
                return Appended(first, replayed=True)
        return tail.append(self)


class Tail:
    """The end of one stream within one transaction: it gathers entries, to be written together."""

    def __init__(self, stream: Stream, head: Head) -> None:
        """Go on after `head`."""
        self.head = head
        self.added: list[Recorded] = []
        self._stream = stream

    def append(self, job: Append) -> Appended:
        """Add what a job appends."""
        number = self.head.number
        self.add(append_to(self._stream, self.head, job.encoded, job.now, job.key))
        return Appended(range(number + 1, self.head.number + 1))

    def add(self, entries: Sequence[Recorded]) -> None:
        """Write these too, which follow the head."""
        if entries:
            self.added.extend(entries)
            newest = entries[-1]
            self.head = Head(newest.number, newest.hash, newest.recorded_at)

    def first_use(self, connection: GroupCommit, key: IdempotencyKey, now: int) -> range | None:
        """The numbers that an earlier append under this key was given."""
        sql = (
            f"SELECT number, recorded_at, fingerprint FROM {self._stream}_entry "
            "WHERE key = ? AND recorded_at > ? ORDER BY number"
        )
        used = connection.execute(sql, (key.name, now - KEY_LIFETIME_NS)).fetchall()
        used += [(r.number, r.recorded_at, r.fingerprint) for r in self.added if r.key == key.name]
        if not used:
            return None
        last, recorded_at, fingerprint = used[-1]
        if fingerprint != key.fingerprint:
            raise IdempotencyClash(f"the key {key.name!r} was used for something else")
        # A clock that was set back makes an earlier use recent again, which it is not one with.
        first = min(number for number, at, _ in used if at == recorded_at)
        return range(first, last + 1)


def tail_of(connection: GroupCommit, stream: Stream) -> Tail:
    """The one of this transaction, which writes it at its end."""
    tail = connection.shared.get(stream)
    if tail is None:
        tail = connection.shared[stream] = Tail(stream, read_head(connection, stream))
        connection.at_end.append(partial(_write, connection, stream, tail))
    return cast(Tail, tail)


def _write(connection: GroupCommit, stream: Stream, tail: Tail) -> None:
    for start in range(0, len(tail.added), MAX_ROWS):
        part = tail.added[start : start + MAX_ROWS]
        connection.execute(_insertion(stream, len(part)), _values(part))
    connection.heads[stream] = tail.head


def append_at_once(connection: GroupCommit) -> Sequence[Appended] | None:
    """Commit the jobs of a connection, which is in no transaction, by one statement.

    None, and nothing is written, where one of them is no append, or has a key, or is to another
    stream than the others; where they are too many; and where the newest entry is not the one that
    this connection wrote last.
    """
    jobs = [job for job in connection.jobs if isinstance(job, Append) and job.key is None]
    streams = {job.stream for job in jobs}
    if len(jobs) < len(connection.jobs) or len(streams) > 1:
        return None
    (stream,) = streams
    known = connection.heads.get(stream)
    if known is None:
        return None
    tail = Tail(stream, known)
    outcomes = [tail.append(job) for job in jobs]
    count = len(tail.added)
    if not 0 < count <= MAX_ROWS:
        return None
    values = [*_values(tail.added), stream, known.hash]
    if not connection.execute(_insertion_after(stream, count), values).rowcount:
        return None
    connection.shared[stream] = tail
    connection.heads[stream] = tail.head
    return outcomes


def appending_writer(path: Path, on_commit: OnCommit, clock: Clock) -> Writer:
    """The writer of a journal in the file at `path`."""
    return Writer(path, on_commit, clock, at_once=append_at_once, setup=_HEADS_FOLLOW)


def read_head(connection: Any, stream: Stream) -> Head:
    """The newest entry of a stream, as the file has it."""
    sql = "SELECT number, hash, recorded_at FROM head WHERE stream = ?"
    return Head(*connection.execute(sql, (stream,)).fetchone())


def _values(entries: Sequence[Recorded]) -> list[Any]:
    """The columns of their rows, one after the other."""
    values: list[Any] = []
    for r in entries:
        e = r.encoded
        values += (
            r.number, r.recorded_at, e.kind, e.version, e.payload, r.hash, r.key, r.fingerprint
        )  # fmt: skip
    return values


@cache
def _insertion(stream: Stream, rows: int) -> str:
    return f"INSERT INTO {stream}_entry({COLUMNS}) {_rows(rows)}"


@cache
def _insertion_after(stream: Stream, rows: int) -> str:
    """The same, where the newest entry of a stream has a hash."""
    return (
        f"INSERT INTO {stream}_entry({COLUMNS}) SELECT * FROM ({_rows(rows)}) "
        "WHERE (SELECT hash FROM head WHERE stream = ?) = ?"
    )


def _rows(rows: int) -> str:
    return "VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
