"""The read model of samples: a packed blob for each minute, hour and day."""

import asyncio
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from functools import cached_property, partial
from itertools import accumulate

from ...application.errors import DamagedReadModel
from ...application.ports import Coverage, CoveringRollup, RollupChange, RollupState, StoredRollup
from ...domain.rollup import Rollups
from ...domain.tier import EVER, Tier, Window
from ..rollup_blob import encode_rollups
from .reader import Reader, Row, among
from .rollup_cover import look_for
from .rollup_drop import damaged_tables, drop_all, reindex
from .rollup_rows import (
    COLUMNS,
    EXPIRED,
    FOLDS,
    SERIES,
    SETTLED_UPTO,
    STREAMS,
    TOTAL,
    PackedChange,
    number_of,
    packed_change,
    rollup_of,
    rollups_in,
    row_of,
    state_of,
)
from .unpacked import MAX_PACKED_BYTES, UnpackedRollups
from .writer import GroupCommit, Writer

_INSERT = f"INSERT OR REPLACE INTO rollup({COLUMNS}) VALUES (?, ?, ?, ?, ?)"


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
            return rollup_of(self._row, cells=self._cells).rollups
        return self._unpacked.get(self.name, lambda: rollup_of(self._row).rollups)


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
        return await asyncio.to_thread(state_of, states, unclosed)

    async def save(self, change: RollupChange, expected: int) -> bool:
        """See `RollupStore.save`."""
        packed = await asyncio.to_thread(packed_change, change)
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
        question = partial(look_for, window=window, tiers=tiers, upto=upto)
        found = await self._reader.ask(question)
        kept = _kept_tiers(found.rows) if histograms else frozenset()
        rollups: list[CoveringRollup] = [
            _Covering(row, self._unpacked if row[0] in kept else None, cells=histograms)
            for row in found.rows
        ]
        return Coverage(found.checkpoint, rollups, found.partial, found.entries)

    async def stored(self, tier: Tier, starts: Sequence[int]) -> list[StoredRollup]:
        """See `RollupStore.stored`."""
        sql = f"SELECT {COLUMNS} FROM rollup WHERE tier = {tier:d} AND start_ms IN"
        rows = await self._reader.ask(partial(among, sql=sql, values=starts))
        return await asyncio.to_thread(lambda: [rollup_of(row) for row in rows])

    async def starts(self, tier: Tier, window: Window = EVER) -> list[int]:
        """See `RollupStore.starts`."""
        sql = (
            "SELECT start_ms FROM rollup "
            "WHERE tier = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms"
        )
        return [start for (start,) in await self._reader.fetch(sql, (tier, *window))]

    async def entries_in(self, minutes: Sequence[int]) -> list[tuple[int, int]]:
        """See `RollupStore.entries_in`."""
        sql = "SELECT minute, number FROM minute_entry WHERE minute IN"
        return sorted(await self._reader.ask(partial(among, sql=sql, values=minutes)))

    async def settled(self, minutes: Sequence[int]) -> list[StoredRollup]:
        """See `RollupStore.settled`."""
        sql = (
            f"SELECT {Tier.MINUTE:d}, minute, first_ms, last_ms, rollups "
            "FROM settled WHERE minute IN"
        )
        return [
            rollup_of(row)
            for row in await self._reader.ask(partial(among, sql=sql, values=minutes))
        ]

    async def settle(
        self,
        upto: int,
        entries: Sequence[tuple[int, int]],
        settled: Sequence[StoredRollup],
        expected: int,
    ) -> bool:
        """See `RollupStore.settle`."""
        rows = [row_of(rollup) for rollup in settled]
        job = partial(_settle, upto=upto, entries=entries, rows=rows, expected=expected)
        return await self._writer.submit_in_background(job)

    async def expire(self, tier: Tier, before_ms: int, limit: int) -> int:
        """See `RollupStore.expire`."""
        job = partial(_expire, tier=tier, before_ms=before_ms, limit=limit)
        return await self._writer.submit_in_background(job)

    async def clear(self) -> None:
        """See `RollupStore.clear`."""
        # Rows are found by indexes here. To make them all anew would hold up every writer.
        for table in await self._reader.ask(damaged_tables):
            await self._writer.submit_in_background(partial(reindex, table=table))
        await self._writer.submit_in_background(drop_all)

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
    if unknown := sorted(names - FOLDS, key=str):
        raise DamagedReadModel(f"a fold is stored under the unknown name {unknown[0]!r}")
    missing = {TOTAL, SERIES} - names
    if missing and connection.execute("SELECT 1 FROM rollup LIMIT 1").fetchone():
        what = f"there are rollups, but no fold {min(missing)!r}"
        raise DamagedReadModel(f"{what}; `opsboard rebuild` mends it")


def _save(connection: GroupCommit, *, packed: PackedChange, checkpoint: int, expected: int) -> bool:
    stands = (number_of(connection, TOTAL), number_of(connection, SETTLED_UPTO))
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
        among(
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
    if number_of(connection, SETTLED_UPTO) != expected:
        return False
    connection.execute("INSERT OR REPLACE INTO fold VALUES (?, ?, x'')", (SETTLED_UPTO, upto))
    connection.executemany("DELETE FROM minute_entry WHERE minute = ? AND number = ?", entries)
    _keep_settled(connection, rows)
    connection.execute(
        "DELETE FROM settled WHERE NOT EXISTS "
        "(SELECT 1 FROM minute_entry WHERE minute_entry.minute = settled.minute)"
    )
    return True


def _expire(connection: GroupCommit, *, tier: Tier, before_ms: int, limit: int) -> int:
    (unsettled,) = connection.execute("SELECT min(minute) FROM minute_entry").fetchone()
    if unsettled is not None:
        before_ms = min(before_ms, tier.coarser.start_of(unsettled))
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM rollup WHERE tier = ? AND start_ms < ? ORDER BY start_ms LIMIT ?",
        (tier, before_ms, limit),
    ).fetchall()
    if rows and tier is Tier.DAY:
        known = connection.execute("SELECT state FROM fold WHERE name = ?", (EXPIRED,)).fetchone()
        expired = rollups_in(known[0] if known else b"", "the total of what expired")
        merged = Rollups.merged([expired, *(rollup_of(row).rollups for row in rows)])
        connection.execute(
            "INSERT OR REPLACE INTO fold VALUES (?, 0, ?)", (EXPIRED, encode_rollups(merged))
        )
    connection.executemany(
        "DELETE FROM rollup WHERE tier = ? AND start_ms = ?", [row[:2] for row in rows]
    )
    return len(rows)
