"""The read model of samples: a packed blob for each minute, hour and day."""

import asyncio
import hashlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property, partial
from itertools import accumulate
from typing import NamedTuple

import msgspec

from ...application.errors import DamagedReadModel
from ...application.ports import Coverage, CoveringRollup, RollupChange, RollupState, StoredRollup
from ...application.project_errors import GROUPS, SETTLED
from ...domain.cumulative import CumulativePoint
from ...domain.rollup import Rollups
from ...domain.series import SeriesSeen
from ...domain.tier import EVER, Tier, Window
from ..columns import DamagedColumns, pack, unpack
from ..rollup_blob import Misplaced, decode_rollups, encode_rollups
from .reader import Reader, Row
from .unpacked import MAX_PACKED_BYTES, UnpackedRollups
from .writer import GroupCommit, Writer

TOTAL, EXPIRED, SERIES, SETTLED_UPTO = "total", "expired", "series", "settled_upto"
STREAMS = "streams"
MAX_PARAMETERS = 500

_FOLDS = {TOTAL, EXPIRED, SERIES, SETTLED_UPTO, STREAMS, "event_index", GROUPS, SETTLED}
"""Every name in the table `fold`: with any other, one of these is damaged."""
_TIERS = frozenset(Tier)

_SERIES_MAGIC, _SERIES_VERSION = b"OPSK", 1
_STREAMS_MAGIC, _STREAMS_VERSION = b"OPSC", 1
_COLUMNS = "tier, start_ms, first_ms, last_ms, rollups"
_INSERT = f"INSERT OR REPLACE INTO rollup({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"
_ALL_THERE_IS = {
    Tier.MINUTE: "NOT EXISTS (SELECT 1 FROM minute_entry WHERE minute = start_ms)",
    Tier.HOUR: "start_ms + tier <= ifnull((SELECT min(start_ms) FROM rollup "
    f"WHERE tier = {Tier.MINUTE:d}), start_ms + tier)",
    Tier.DAY: "start_ms + tier <= ifnull((SELECT min(start_ms) FROM rollup "
    f"WHERE tier = {Tier.HOUR:d}), start_ms + tier)",
}
"""When a rollup can not be cut: retention removed what it was made of."""

_log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder()
_series_decoder = msgspec.msgpack.Decoder(list[SeriesSeen])
_streams_decoder = msgspec.msgpack.Decoder(list[CumulativePoint])


class _Look(NamedTuple):
    """What one look at the file found for a window, still packed."""

    checkpoint: int
    rows: list[Row]
    partial: list[int]
    entries: list[int]


class _Covering:
    """See `CoveringRollup`."""

    def __init__(self, row: Row, unpacked: UnpackedRollups | None, *, cells: bool) -> None:
        """Unpack `row` where it is asked for, by way of what is `unpacked` already, if any is."""
        self._row = row
        self._unpacked = unpacked
        self._cells = cells
        self.tier = row[0]
        self.start_ms: int = row[1]

    @cached_property
    def name(self) -> Hashable:
        *place, blob = self._row
        return (*place, hashlib.sha256(blob).digest())

    @property
    def rollups(self) -> Rollups:
        if self._unpacked is None:
            return _rollup(self._row, cells=self._cells).rollups
        return self._unpacked.get(self.name, lambda: _rollup(self._row).rollups)


class SqliteRollups:
    """Packs and unpacks on threads of their own: the writer only writes, the loop only waits."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        """Write through `writer`, read through `reader`."""
        self._writer = writer
        self._reader = reader
        self._unpacked = UnpackedRollups()

    async def load(self) -> RollupState:
        """See `RollupStore.load`."""
        states, unclosed = await self._reader.ask(_load)
        return await asyncio.to_thread(_state, states, unclosed)

    async def save(self, change: RollupChange, expected: int) -> bool:
        """See `RollupStore.save`."""
        packed = await asyncio.to_thread(_packed, change)
        job = partial(_save, packed=packed, checkpoint=change.checkpoint, expected=expected)
        return await self._writer.submit_in_background(job)

    async def covering(
        self,
        window: Window,
        tiers: Sequence[Tier],
        upto: int | None = None,
        *,
        histograms: bool = True,
    ) -> Coverage:
        """See `RollupStore.covering`."""
        question = partial(_covering, window=window, tiers=tiers, upto=upto)
        found = await self._reader.ask(question)
        kept = _kept_tiers(found.rows) if histograms else frozenset()
        rollups: list[CoveringRollup] = [
            _Covering(row, self._unpacked if row[0] in kept else None, cells=histograms)
            for row in found.rows
        ]
        return Coverage(found.checkpoint, rollups, found.partial, found.entries)

    async def stored(self, tier: Tier, starts: Sequence[int]) -> list[StoredRollup]:
        """See `RollupStore.stored`."""
        sql = f"SELECT {_COLUMNS} FROM rollup WHERE tier = {tier:d} AND start_ms IN"
        rows = await self._reader.ask(partial(_among, sql=sql, values=starts))
        return await asyncio.to_thread(lambda: [_rollup(row) for row in rows])

    async def starts(self, tier: Tier) -> list[int]:
        """See `RollupStore.starts`."""
        sql = "SELECT start_ms FROM rollup WHERE tier = ? ORDER BY start_ms"
        return [start for (start,) in await self._reader.fetch(sql, (tier,))]

    async def entries_in(self, minutes: Sequence[int]) -> list[tuple[int, int]]:
        """See `RollupStore.entries_in`."""
        sql = "SELECT minute, number FROM minute_entry WHERE minute IN"
        return sorted(await self._reader.ask(partial(_among, sql=sql, values=minutes)))

    async def settled(self, minutes: Sequence[int]) -> list[StoredRollup]:
        """See `RollupStore.settled`."""
        sql = (
            f"SELECT {Tier.MINUTE:d}, minute, first_ms, last_ms, rollups "
            "FROM settled WHERE minute IN"
        )
        return [
            _rollup(row) for row in await self._reader.ask(partial(_among, sql=sql, values=minutes))
        ]

    async def settle(
        self,
        upto: int,
        entries: Sequence[tuple[int, int]],
        settled: Sequence[StoredRollup],
        expected: int,
    ) -> bool:
        """See `RollupStore.settle`."""
        rows = [_row(rollup) for rollup in settled]
        job = partial(_settle, upto=upto, entries=entries, rows=rows, expected=expected)
        return await self._writer.submit_in_background(job)

    async def expire(self, tier: Tier, before_ms: int, limit: int) -> int:
        """See `RollupStore.expire`."""
        job = partial(_expire, tier=tier, before_ms=before_ms, limit=limit)
        return await self._writer.submit_in_background(job)

    async def clear(self) -> None:
        """See `RollupStore.clear`."""
        # Rows are found by indexes here. To make them all anew would hold up every writer.
        for table in await self._reader.ask(_damaged_tables):
            await self._writer.submit_in_background(partial(_reindex, table=table))
        await self._writer.submit_in_background(_clear)

    async def size(self) -> Mapping[str, tuple[int, int]]:
        """See `RollupStore.size`."""
        sql = "SELECT tier, count(*), sum(length(rollups)) FROM rollup GROUP BY tier"
        rows = {tier: (count, size) for tier, count, size in await self._reader.fetch(sql)}
        return {tier.name.lower(): rows.get(tier, (0, 0)) for tier in Tier}


def _kept_tiers(rows: Iterable[Row]) -> Set[int]:
    """Of which tiers there is room for all that a question takes, the finest first."""
    packed: Counter[int] = Counter()
    for tier, *_, blob in rows:
        packed[tier] += len(blob)
    tiers = sorted(packed)
    sizes = accumulate(packed[tier] for tier in tiers)
    return {tier for tier, size in zip(tiers, sizes, strict=True) if size <= MAX_PACKED_BYTES}


def _state(states: Mapping[str, Row], unclosed: Sequence[tuple[Tier, int]]) -> RollupState:
    checkpoint, total = states.get(TOTAL, (0, b""))
    series = states.get(SERIES, (0, b""))[1]
    return RollupState(
        checkpoint=checkpoint,
        settled_upto=states.get(SETTLED_UPTO, (0, b""))[0],
        total=_total(total, checkpoint),
        expired=_unpacked(states.get(EXPIRED, (0, b""))[1], "the total of what expired"),
        series=_unpacked_series(series) if series else (),
        streams=_unpacked_streams(states.get(STREAMS, (0, b""))[1]),
        unclosed=unclosed,
    )


def _total(blob: bytes, checkpoint: int) -> Rollups | None:
    """The one that can be summed up anew where it is damaged."""
    try:
        return decode_rollups(blob, _place_of_total(checkpoint)) if blob else None
    except Misplaced as error:
        what = f"up to where samples are rolled up, {checkpoint!r}, is damaged"
        raise DamagedReadModel(f"{what}; `opsboard rebuild` mends it") from error
    except DamagedColumns as error:
        _log.error("the total of all samples %s; it is summed up anew", error)
        return None


def _place_of_total(checkpoint: int) -> Sequence[int]:
    return (0, 0, 0, checkpoint)


def _unpacked(blob: bytes, what: str, place: Sequence[int] = (), *, cells: bool = True) -> Rollups:
    try:
        return decode_rollups(blob, place, cells=cells) if blob else Rollups.none()
    except DamagedColumns as error:
        mending = "`opsboard rebuild` mends it where its samples are kept"
        raise DamagedReadModel(f"{what} {error}; {mending}") from error


def _unpacked_series(blob: bytes) -> list[SeriesSeen]:
    try:
        return _series_decoder.decode(unpack(_SERIES_MAGIC, _SERIES_VERSION, blob)[0])
    except (DamagedColumns, ValueError) as error:
        message = f"the table of series {error}; `opsboard rebuild` mends it unless retention ran"
        raise DamagedReadModel(message) from error


def _unpacked_streams(blob: bytes) -> Sequence[CumulativePoint]:
    """Without them, what a counter has counted already would count once more."""
    try:
        packed = unpack(_STREAMS_MAGIC, _STREAMS_VERSION, blob)[0] if blob else b"\x90"
        return _streams_decoder.decode(packed)
    except (DamagedColumns, ValueError) as error:
        message = f"what counters stood at {error}; `opsboard rebuild` mends it"
        raise DamagedReadModel(message) from error


def _rollup(row: Row, *, cells: bool = True) -> StoredRollup:
    tier, start_ms, first_ms, last_ms, blob = row
    if tier not in _TIERS:
        raise DamagedReadModel(f"a rollup of {tier!r} ms is stored; `opsboard rebuild` mends it")
    what = f"the rollup of the {Tier(tier).name.lower()} at {start_ms} ms"
    rollups = _unpacked(blob, what, row[:4], cells=cells)
    return StoredRollup(Tier(tier), start_ms, first_ms, last_ms, rollups)


def _row(rollup: StoredRollup) -> Row:
    place = (rollup.tier, rollup.start_ms, rollup.first_ms, rollup.last_ms)
    return (*place, encode_rollups(rollup.rollups, place))


class _Packed(NamedTuple):
    """A change as rows."""

    total: bytes
    series: bytes
    streams: bytes | None
    rollups: list[Row]
    settled: list[Row]
    settled_upto: int
    minutes: Sequence[tuple[int, int]]


def _packed(change: RollupChange) -> _Packed:
    return _Packed(
        encode_rollups(change.total, _place_of_total(change.checkpoint)),
        pack(_SERIES_MAGIC, _SERIES_VERSION, _encoder.encode(change.series), []),
        None
        if change.streams is None
        else pack(_STREAMS_MAGIC, _STREAMS_VERSION, _encoder.encode(change.streams), []),
        [_row(rollup) for rollup in change.rollups],
        [_row(rollup) for rollup in change.settled],
        change.settled_upto,
        change.minutes,
    )


def _load(connection: sqlite3.Connection) -> tuple[dict[str, Row], list[tuple[Tier, int]]]:
    rows = connection.execute("SELECT name, checkpoint, state FROM fold").fetchall()
    _check_names(connection, {name for name, *_ in rows})
    unclosed = [
        (tier, start)
        for tier in (Tier.HOUR, Tier.DAY)
        for (start,) in connection.execute(
            f"SELECT DISTINCT start_ms - start_ms % {tier:d} AS start FROM rollup AS finer "
            f"WHERE tier < {tier:d} AND NOT EXISTS "
            f"(SELECT 1 FROM rollup WHERE tier = {tier:d} "
            f"AND start_ms = finer.start_ms - finer.start_ms % {tier:d}) ORDER BY start"
        )
    ]
    return {name: tuple(state) for name, *state in rows}, unclosed


def _check_names(connection: sqlite3.Connection, names: Set[str]) -> None:
    """Where the name of a fold is damaged, that fold is missing: entries would be folded again."""
    if unknown := sorted(names - _FOLDS, key=str):
        raise DamagedReadModel(f"a fold is stored under the unknown name {unknown[0]!r}")
    missing = {TOTAL, SERIES} - names
    if missing and connection.execute("SELECT 1 FROM rollup LIMIT 1").fetchone():
        what = f"there are rollups, but no fold {min(missing)!r}"
        raise DamagedReadModel(f"{what}; `opsboard rebuild` mends it")


def _number(connection: sqlite3.Connection, name: str) -> int:
    """The number up to which something stands; 0 where it is not there yet."""
    sql = "SELECT checkpoint FROM fold WHERE name = ?"
    (number,) = connection.execute(sql, (name,)).fetchone() or (0,)
    return int(number)


def _save(connection: GroupCommit, *, packed: _Packed, checkpoint: int, expected: int) -> bool:
    stands = (_number(connection, TOTAL), _number(connection, SETTLED_UPTO))
    if stands != (expected, packed.settled_upto):
        return False
    if _is_overtaken(connection, {(Tier(row[0]), row[1]) for row in packed.rollups}):
        return False
    connection.executemany(
        "INSERT OR REPLACE INTO fold VALUES (?, ?, ?)",
        [(TOTAL, checkpoint, packed.total), (SERIES, checkpoint, packed.series)],
    )
    if packed.streams is not None:
        connection.execute(
            "INSERT OR REPLACE INTO fold VALUES (?, ?, ?)", (STREAMS, checkpoint, packed.streams)
        )
    connection.executemany(_INSERT, packed.rollups)
    _keep_settled(connection, packed.settled)
    connection.executemany("INSERT OR IGNORE INTO minute_entry VALUES (?, ?)", packed.minutes)
    return True


def _is_overtaken(connection: sqlite3.Connection, changed: Set[tuple[Tier, int]]) -> bool:
    """Whether an hour or day of the changed minutes is stored that is not changed with them."""
    minutes = [start for tier, start in changed if tier is Tier.MINUTE]
    return any(
        _among(
            connection,
            sql=f"SELECT 1 FROM rollup WHERE tier = {tier:d} AND start_ms IN",
            values=[s for s in {tier.start_of(m) for m in minutes} if (tier, s) not in changed],
        )
        for tier in (Tier.HOUR, Tier.DAY)
    )


def _keep_settled(connection: GroupCommit, rows: Iterable[Row]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO settled VALUES (?, ?, ?, ?)", [row[1:] for row in rows]
    )


def _settle(
    connection: GroupCommit,
    *,
    upto: int,
    entries: Sequence[tuple[int, int]],
    rows: Sequence[Row],
    expected: int,
) -> bool:
    if _number(connection, SETTLED_UPTO) != expected:
        return False
    connection.execute("INSERT OR REPLACE INTO fold VALUES (?, ?, x'')", (SETTLED_UPTO, upto))
    connection.executemany("DELETE FROM minute_entry WHERE minute = ? AND number = ?", entries)
    _keep_settled(connection, rows)
    connection.execute(
        "DELETE FROM settled WHERE NOT EXISTS "
        "(SELECT 1 FROM minute_entry WHERE minute_entry.minute = settled.minute)"
    )
    return True


def _damaged_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables with indexes of which SQLite finds that they do not match, or anything else."""
    sql = "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'index'"
    return [table for (table,) in connection.execute(sql).fetchall() if _fault(connection, table)]


def _fault(connection: sqlite3.Connection, table: str) -> bool:
    try:
        found = connection.execute(f"PRAGMA integrity_check('{table}')").fetchall()
    except sqlite3.DatabaseError:
        return True
    return found != [("ok",)]


def _reindex(connection: GroupCommit, *, table: str) -> None:
    connection.execute(f"REINDEX {table}")


def _clear(connection: GroupCommit) -> None:
    _drop_what_is_damaged(connection)
    for tier in Tier:
        connection.execute(
            f"DELETE FROM rollup WHERE tier = {tier:d} AND start_ms IN "
            f"(SELECT minute - minute % {tier:d} FROM minute_entry)"
        )
    connection.execute(
        f"INSERT OR REPLACE INTO rollup({_COLUMNS}) "
        f"SELECT {Tier.MINUTE:d}, minute, first_ms, last_ms, rollups FROM settled"
    )
    connection.execute("DELETE FROM settled")
    connection.execute("DELETE FROM minute_entry")
    if upto := _number(connection, SETTLED_UPTO):
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
            _unpacked_streams(blob)
        except DamagedReadModel:
            connection.execute("DELETE FROM fold WHERE name = ?", (STREAMS,))


def _drop_unknown_names(connection: GroupCommit) -> None:
    """A fold whose name is damaged is folded anew, but for the one that nothing brings back."""
    stored = dict(connection.execute("SELECT name, state FROM fold").fetchall())
    unknown = stored.keys() - _FOLDS
    if SETTLED_UPTO not in stored and "event_index" in stored:
        for name in unknown:
            if not stored[name]:
                what = f"the fold {name!r} may be {SETTLED_UPTO!r}, which the journal does not tell"
                raise DamagedReadModel(f"{what}: go back to a backup")
    connection.executemany("DELETE FROM fold WHERE name = ?", [(name,) for name in unknown])


def _expire(connection: GroupCommit, *, tier: Tier, before_ms: int, limit: int) -> int:
    (unsettled,) = connection.execute("SELECT min(minute) FROM minute_entry").fetchone()
    if unsettled is not None:
        before_ms = min(before_ms, tier.coarser.start_of(unsettled))
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM rollup WHERE tier = ? AND start_ms < ? ORDER BY start_ms LIMIT ?",
        (tier, before_ms, limit),
    ).fetchall()
    if rows and tier is Tier.DAY:
        known = connection.execute("SELECT state FROM fold WHERE name = ?", (EXPIRED,)).fetchone()
        expired = _unpacked(known[0] if known else b"", "the total of what expired")
        merged = Rollups.merged([expired, *(_rollup(row).rollups for row in rows)])
        connection.execute(
            "INSERT OR REPLACE INTO fold VALUES (?, 0, ?)", (EXPIRED, encode_rollups(merged))
        )
    connection.executemany(
        "DELETE FROM rollup WHERE tier = ? AND start_ms = ?", [row[:2] for row in rows]
    )
    return len(rows)


def _among(connection: sqlite3.Connection, *, sql: str, values: Sequence[int]) -> list[Row]:
    """The rows whose column is one of the values, asked for in parts that SQLite takes."""
    found: list[Row] = []
    for start in range(0, len(values), MAX_PARAMETERS):
        part = values[start : start + MAX_PARAMETERS]
        places = ", ".join("?" * len(part))
        found += connection.execute(f"{sql} ({places})", tuple(part)).fetchall()
    return found


def _covering(
    connection: sqlite3.Connection, *, window: Window, tiers: Sequence[Tier], upto: int | None
) -> _Look:
    found: list[Row] = []
    spans = [window]
    for tier in sorted(tiers, reverse=True):
        rows = partial(_within, connection, tier, window, upto)
        spans = [left for span in spans for left in _taken(tier, span, rows(span), found)]
    cut = [
        minute
        for span in spans
        for (minute,) in connection.execute(
            f"SELECT start_ms FROM rollup WHERE tier = {Tier.MINUTE:d} "
            "AND start_ms >= ? AND start_ms < ? AND last_ms >= ? AND first_ms < ?",
            (Tier.MINUTE.start_of(span.since), span.until, *window),
        )
    ]
    entries = {
        number
        for _, number in _among(
            connection,
            sql="SELECT minute, number FROM minute_entry WHERE minute IN",
            values=cut,
        )
        if upto is None or number <= upto
    }
    if window == EVER:
        sql = "SELECT ?, 0, 0, 0, state FROM fold WHERE name = ?"
        found += connection.execute(sql, (Tier.DAY, EXPIRED)).fetchall()
    return _Look(_number(connection, TOTAL), found, cut, sorted(entries))


def _within(
    connection: sqlite3.Connection, tier: Tier, window: Window, upto: int | None, span: Window
) -> Iterator[Row]:
    """The rollups of a tier that start in a span and lie within the window.

    Where nothing finer is kept any more, it lies within if it starts there.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM rollup WHERE tier = {tier:d} "
        "AND start_ms >= ? AND start_ms < ? AND (first_ms >= ? AND last_ms < ? "
        f"OR start_ms >= ? AND first_ms < ? AND {_ALL_THERE_IS[tier]}) ORDER BY start_ms",
        (tier.start_of(span.since), span.until, *window, *window),
    )
    for row in rows:
        if upto is None or not _has_later(connection, row[1], row[1] + tier, upto):
            yield row


def _taken(tier: Tier, span: Window, rows: Iterable[Row], found: list[Row]) -> Iterator[Window]:
    """Add the rows to `found`; the spans that they leave between."""
    left = span.since
    for row in rows:
        start = row[1]
        found.append(row)
        if left < start:
            yield Window(left, start)
        left = start + tier
    if left < span.until:
        yield Window(left, span.until)


def _has_later(connection: sqlite3.Connection, start: int, end: int, upto: int) -> bool:
    """Whether an entry past `upto` has samples in the span."""
    sql = "SELECT 1 FROM minute_entry WHERE minute >= ? AND minute < ? AND number > ? LIMIT 1"
    return connection.execute(sql, (start, end, upto)).fetchone() is not None
