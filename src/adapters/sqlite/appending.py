"""How entries get into the table of their stream.

While requests are served, whoever runs a statement waits for the interpreter's lock when it has
run: so a batch is written by few of them, and where it only appends by a single one, which is a
transaction of its own.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from ...application.errors import IdempotencyClash
from ...application.ports import KEY_LIFETIME_NS, Appended
from ...domain.entry import Encoded, Head, IdempotencyKey, Recorded, Stream, append_to
from .writer import GroupCommit

MAX_ROWS = 64
"""In one statement; there is one for each number of rows."""

COLUMNS = "number, recorded_at, kind, version, payload, hash, key, fingerprint"
HEADS_FOLLOW = "".join(
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
        if self.key is not None and (first := tail.first_use(self.key, self.now)) is not None:
            return Appended(first, replayed=True)
        outcome, entries = self.after(tail.head)
        tail.add(entries)
        return outcome

    def after(self, head: Head) -> tuple[Appended, Sequence[Recorded]]:
        """What it gives, and its entries, where `head` is the newest one."""
        entries = append_to(self.stream, head, self.encoded, self.now, self.key)
        return Appended(range(head.number + 1, head.number + 1 + len(entries))), entries


class Tail:
    """The end of one stream within one transaction: it gathers rows and writes them together."""

    def __init__(self, connection: GroupCommit, stream: Stream) -> None:
        """Go on after what the file says is the newest entry."""
        self.head = read_head(connection, stream)
        self._connection = connection
        self._stream = stream
        self._added: list[Recorded] = []
        connection.at_end.append(self._write)
        connection.shared[stream] = self

    def add(self, entries: Sequence[Recorded]) -> None:
        """Write these too, which follow the head."""
        if entries:
            self._added.extend(entries)
            self.head = _head_at(entries[-1])

    def first_use(self, key: IdempotencyKey, now: int) -> range | None:
        """The numbers that an earlier append under this key was given."""
        sql = (
            f"SELECT number, recorded_at, fingerprint FROM {self._stream}_entry "
            "WHERE key = ? AND recorded_at > ? ORDER BY number"
        )
        used = self._connection.execute(sql, (key.name, now - KEY_LIFETIME_NS)).fetchall()
        used += [(r.number, r.recorded_at, r.fingerprint) for r in self._added if r.key == key.name]
        if not used:
            return None
        last, recorded_at, fingerprint = used[-1]
        if fingerprint != key.fingerprint:
            raise IdempotencyClash(f"the key {key.name!r} was used for something else")
        # A clock that was set back makes an earlier use recent again, which it is not one with.
        first = min(number for number, at, _ in used if at == recorded_at)
        return range(first, last + 1)

    def _write(self) -> None:
        for start in range(0, len(self._added), MAX_ROWS):
            part = self._added[start : start + MAX_ROWS]
            self._connection.execute(_insertion(self._stream, len(part)), _values(part))
        self._connection.heads[self._stream] = self.head


def tail_of(connection: GroupCommit, stream: Stream) -> Tail:
    """The one of this transaction."""
    return connection.shared.get(stream) or Tail(connection, stream)


def append_at_once(connection: GroupCommit) -> Sequence[Appended] | None:
    """Commit the jobs of a connection, which is in no transaction, by one statement.

    None, and nothing is written, where one of them is no append, or has a key, or is to another
    stream than the others; where they are too many; and where the newest entry is not the one that
    this connection wrote last.
    """
    jobs = [job for job in connection.jobs if isinstance(job, Append) and job.key is None]
    stream = jobs[0].stream if len(jobs) == len(connection.jobs) else None
    known = connection.heads.get(stream) if stream else None
    if stream is None or known is None or any(job.stream is not stream for job in jobs):
        return None
    head, outcomes, rows = known, [], list[Recorded]()
    for job in jobs:
        outcome, entries = job.after(head)
        outcomes.append(outcome)
        rows.extend(entries)
        head = _head_at(rows[-1]) if rows else known
    if not 0 < len(rows) <= MAX_ROWS:
        return None
    sql = _insertion_after(stream, len(rows))
    if not connection.execute(sql, [*_values(rows), stream, known.hash]).rowcount:
        return None
    connection.shared[stream] = connection.heads[stream] = head
    return outcomes


def read_head(connection: Any, stream: Stream) -> Head:
    """The newest entry of a stream, as the file has it."""
    sql = "SELECT number, hash, recorded_at FROM head WHERE stream = ?"
    return Head(*connection.execute(sql, (stream,)).fetchone())


def _head_at(entry: Recorded) -> Head:
    return Head(entry.number, entry.hash, entry.recorded_at)


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
