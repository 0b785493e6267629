"""Which stored rollups make up a window, and which entries fill its edges."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from ...domain.tier import EVER, Tier, Window
from .reader import Row, among
from .rollup_rows import COLUMNS, EXPIRED, TOTAL, number_of

_ALL_THERE_IS = {
    Tier.MINUTE: "NOT EXISTS (SELECT 1 FROM minute_entry WHERE minute = start_ms)",
    Tier.HOUR: "start_ms + tier <= ifnull((SELECT min(start_ms) FROM rollup "
    f"WHERE tier = {Tier.MINUTE:d}), start_ms + tier)",
    Tier.DAY: "start_ms + tier <= ifnull((SELECT min(start_ms) FROM rollup "
    f"WHERE tier = {Tier.HOUR:d}), start_ms + tier)",
}
"""When a rollup can not be cut: retention removed what it was made of."""


class Look(NamedTuple):
    """What one look at the file found for a window, still packed."""

    checkpoint: int
    rows: list[Row]
    partial: list[int]
    entries: list[int]


def look_for(
    connection: sqlite3.Connection, *, window: Window, tiers: Sequence[Tier], upto: int | None
) -> Look:
    """Find the coarsest rollups that lie within a window, and what its edges cut."""
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
        for _, number in among(
            connection,
            sql="SELECT minute, number FROM minute_entry WHERE minute IN",
            values=cut,
        )
        if upto is None or number <= upto
    }
    if window == EVER:
        sql = "SELECT ?, 0, 0, 0, state FROM fold WHERE name = ?"
        found += connection.execute(sql, (Tier.DAY, EXPIRED)).fetchall()
    return Look(number_of(connection, TOTAL), found, cut, sorted(entries))


def _within(
    connection: sqlite3.Connection, tier: Tier, window: Window, upto: int | None, span: Window
) -> Iterator[Row]:
    """The rollups of a tier that start in a span and lie within the window.

    Where nothing finer is kept any more, it lies within if it starts there.
    """
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM rollup WHERE tier = {tier:d} "
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
