"""Rollups as one packed blob, which knows where it belongs."""

import struct
from collections.abc import Sequence

import numpy as np

from ..domain.rollup import Rollups
from ..domain.sample import Ints
from .columns import DamagedColumns, pack, unpack

VERSION = 1

_MAGIC = b"OPSR"
_COLUMNS = 7
_BY_SERIES = 5
_ASCENDING = (0, 5)
_PLACE = struct.Struct("<4q")
_NO_CELLS: Ints = np.empty(0, np.int64)


class Misplaced(DamagedColumns):
    """The blob is whole, and belongs to another row, or to this one before it was damaged."""


def encode_rollups(rollups: Rollups, place: Sequence[int] = ()) -> bytes:
    """The columns, of which those that ascend are stored as steps.

    `place` are the four numbers of the row that the blob belongs to: its checksum covers them too.
    """
    columns = list(rollups.columns)
    for ascending in _ASCENDING:
        columns[ascending] = np.diff(columns[ascending], prepend=0)
    return pack(_MAGIC, VERSION, _PLACE.pack(*place) if place else b"", columns)


def decode_rollups(blob: bytes, place: Sequence[int] = (), *, cells: bool = True) -> Rollups:
    """The rollups that were encoded. Raises `DamagedColumns`, and `Misplaced` for another row's.

    Blobs of a version that wrote no place belong anywhere. Without `cells`, histograms are empty.
    """
    wanted = _COLUMNS if cells else _BY_SERIES
    known, columns = unpack(_MAGIC, VERSION, blob, None if cells else wanted)
    if place and known and known != _packed(place):
        raise Misplaced("belongs to another row, or that row is damaged")
    if len(columns) != wanted:
        raise DamagedColumns(f"has {len(columns)} columns, not {wanted}")
    if not cells:
        columns += [_NO_CELLS, _NO_CELLS]
    series, count, zero_count, sum_ns, max_ns, cell, cell_count = columns
    if len({len(c) for c in columns[:_BY_SERIES]}) != 1 or len(cell) != len(cell_count):
        raise DamagedColumns("has columns that differ in length")
    return Rollups(
        np.cumsum(series), count, zero_count, sum_ns, max_ns, np.cumsum(cell), cell_count
    )


def _packed(place: Sequence[int]) -> bytes | None:
    """None for what no row had when it was written: damage can give a number any type."""
    try:
        return _PLACE.pack(*place)
    except struct.error:
        return None
