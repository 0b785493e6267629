"""What the tables `rollup` and `fold` hold of samples, and what it means."""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from ...application.errors import DamagedReadModel
from ...application.ports import RollupChange, RollupState, StoredRollup
from ...application.project_errors import GROUPS, SETTLED
from ...domain.cumulative import CumulativePoint
from ...domain.rollup import Rollups
from ...domain.series import SeriesSeen
from ...domain.tier import Tier
from ..columns import DamagedColumns, pack, unpack
from ..rollup_blob import Misplaced, decode_rollups, encode_rollups
from .reader import Row

COLUMNS = "tier, start_ms, first_ms, last_ms, rollups"

TOTAL, EXPIRED, SERIES, SETTLED_UPTO = "total", "expired", "series", "settled_upto"
STREAMS = "streams"
FOLDS = {TOTAL, EXPIRED, SERIES, SETTLED_UPTO, STREAMS, "event_index", GROUPS, SETTLED}
"""Every name in the table `fold`: with any other, one of these is damaged."""

_TIERS = frozenset(Tier)
_SERIES_MAGIC, _SERIES_VERSION = b"OPSK", 1
_STREAMS_MAGIC, _STREAMS_VERSION = b"OPSC", 1

_log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder()
_series_decoder = msgspec.msgpack.Decoder(list[SeriesSeen])
_streams_decoder = msgspec.msgpack.Decoder(list[CumulativePoint])


def state_of(states: Mapping[str, Row], unclosed: Sequence[tuple[Tier, int]]) -> RollupState:
    """What the folds with these rows, by their names, stand for. Raises `DamagedReadModel`."""
    checkpoint, total = states.get(TOTAL, (0, b""))
    series = states.get(SERIES, (0, b""))[1]
    return RollupState(
        checkpoint=checkpoint,
        settled_upto=states.get(SETTLED_UPTO, (0, b""))[0],
        total=_total(total, checkpoint),
        expired=rollups_in(states.get(EXPIRED, (0, b""))[1], "the total of what expired"),
        series=_unpacked_series(series) if series else (),
        streams=unpacked_streams(states.get(STREAMS, (0, b""))[1]),
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


def rollups_in(blob: bytes, what: str, place: Sequence[int] = (), *, cells: bool = True) -> Rollups:
    """What a blob of `what` holds; none where it is empty. Raises `DamagedReadModel`."""
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


def unpacked_streams(blob: bytes) -> Sequence[CumulativePoint]:
    """Without them, what a counter has counted already would count once more."""
    try:
        packed = unpack(_STREAMS_MAGIC, _STREAMS_VERSION, blob)[0] if blob else b"\x90"
        return _streams_decoder.decode(packed)
    except (DamagedColumns, ValueError) as error:
        message = f"what counters stood at {error}; `opsboard rebuild` mends it"
        raise DamagedReadModel(message) from error


def rollup_of(row: Row, *, cells: bool = True) -> StoredRollup:
    """The rollup of a row. Raises `DamagedReadModel`."""
    tier, start_ms, first_ms, last_ms, blob = row
    if tier not in _TIERS:
        raise DamagedReadModel(f"a rollup of {tier!r} ms is stored; `opsboard rebuild` mends it")
    what = f"the rollup of the {Tier(tier).name.lower()} at {start_ms} ms"
    rollups = rollups_in(blob, what, row[:4], cells=cells)
    return StoredRollup(Tier(tier), start_ms, first_ms, last_ms, rollups)


def row_of(rollup: StoredRollup) -> Row:
    """The row of a rollup."""
    place = (rollup.tier, rollup.start_ms, rollup.first_ms, rollup.last_ms)
    return (*place, encode_rollups(rollup.rollups, place))


class PackedChange(NamedTuple):
    """A change as rows."""

    total: bytes
    series: bytes
    streams: bytes | None
    rollups: list[Row]
    settled: list[Row]
    settled_upto: int
    minutes: Sequence[tuple[int, int]]


def packed_change(change: RollupChange) -> PackedChange:
    """The rows of a change; packing takes its time, and wants no connection."""
    return PackedChange(
        encode_rollups(change.total, _place_of_total(change.checkpoint)),
        pack(_SERIES_MAGIC, _SERIES_VERSION, _encoder.encode(change.series), []),
        None
        if change.streams is None
        else pack(_STREAMS_MAGIC, _STREAMS_VERSION, _encoder.encode(change.streams), []),
        [row_of(rollup) for rollup in change.rollups],
        [row_of(rollup) for rollup in change.settled],
        change.settled_upto,
        change.minutes,
    )


def number_of(connection: sqlite3.Connection, name: str) -> int:
    """The number up to which something stands; 0 where it is not there yet."""
    sql = "SELECT checkpoint FROM fold WHERE name = ?"
    (number,) = connection.execute(sql, (name,)).fetchone() or (0,)
    return int(number)
