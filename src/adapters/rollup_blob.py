"""Rollups as one packed blob."""

import numpy as np

from ..domain.rollup import Rollups
from .columns import DamagedColumns, pack, unpack

VERSION = 1

_MAGIC = b"OPSR"
_COLUMNS = 7
_ASCENDING = (0, 5)


def encode_rollups(rollups: Rollups) -> bytes:
    """The columns, of which those that ascend are stored as steps."""
    columns = list(rollups.columns)
    for place in _ASCENDING:
        columns[place] = np.diff(columns[place], prepend=0)
    return pack(_MAGIC, VERSION, b"", columns)


def decode_rollups(blob: bytes) -> Rollups:
    """The rollups that were encoded. Raises `DamagedColumns`."""
    _, columns = unpack(_MAGIC, VERSION, blob)
    if len(columns) != _COLUMNS:
        raise DamagedColumns(f"has {len(columns)} columns, not {_COLUMNS}")
    series, count, zero_count, sum_ns, max_ns, cell, cell_count = columns
    if len({len(c) for c in columns[:5]}) != 1 or len(cell) != len(cell_count):
        raise DamagedColumns("has columns that differ in length")
    return Rollups(
        np.cumsum(series), count, zero_count, sum_ns, max_ns, np.cumsum(cell), cell_count
    )
