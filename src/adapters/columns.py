"""Columns of integers as bytes: planes by significance, compressed and checked as one frame.

Bytes of one significance lie together, so the upper ones, which hardly change, shrink to almost
nothing, and the lower ones, which are noise, cost no more than themselves.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import zstandard

from ..domain.sample import Ints

LEVEL = 3
MAX_BYTES = 256 * 1024 * 1024

_HEADER = struct.Struct("<4sBI")
_COLUMN = struct.Struct("<BI")
_LENGTH = struct.Struct("<I")


class DamagedColumns(ValueError):
    """The bytes are not what was packed; the text says how that shows."""


def pack(magic: bytes, version: int, labels: bytes, columns: Sequence[Ints]) -> bytes:
    """Labels (any bytes) and columns of integers of zero or more, of any lengths.

    The frame starts with `magic` (4 bytes), `version` (0-255) and a CRC-32 over the rest.
    """
    parts = [_LENGTH.pack(len(labels)), labels]
    for column in columns:
        planes = _planes(column)
        parts += [_COLUMN.pack(len(planes), len(column)), planes.tobytes()]
    body = zstandard.ZstdCompressor(level=LEVEL).compress(b"".join(parts))
    return _HEADER.pack(magic, version, zlib.crc32(body)) + body


def _planes(column: Ints) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """One row for each significance that the column needs, the lowest first."""
    width = (int(column.max()).bit_length() + 7) // 8 if len(column) else 0
    octets = np.ascontiguousarray(column, "<i8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(octets[:, :width].T)


def unpack(magic: bytes, version: int, packed: bytes) -> tuple[bytes, list[Ints]]:
    """The labels and columns that `pack` was given. Raises `DamagedColumns`."""
    if len(packed) < _HEADER.size:
        raise DamagedColumns("is cut short")
    found_magic, found_version, checksum = _HEADER.unpack_from(packed)
    if found_magic != magic:
        raise DamagedColumns(f"starts with {found_magic!r}, not with {magic!r}")
    if found_version != version:
        raise DamagedColumns(f"is of version {found_version}, not {version}")
    compressed = memoryview(packed)[_HEADER.size :]
    if zlib.crc32(compressed) != checksum:
        raise DamagedColumns("has another checksum than its content")
    try:
        if zstandard.frame_content_size(compressed) > MAX_BYTES:
            raise ValueError(f"it holds more than {MAX_BYTES} bytes")
        body = zstandard.ZstdDecompressor().decompress(compressed, max_output_size=MAX_BYTES)
        return _parsed(body)
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        raise DamagedColumns(f"can not be unpacked: {error}") from error


def _parsed(body: bytes) -> tuple[bytes, list[Ints]]:
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    labels = body[_LENGTH.size : at]
    columns = []
    while at < len(body):
        width, count = _planes_header(body, at)
        at += _COLUMN.size
        columns.append(_column(body, at, width, count))
        at += width * count
    return labels, columns


def _planes_header(body: bytes, at: int) -> tuple[int, int]:
    rows, count = _COLUMN.unpack_from(body, at)
    if rows > 8:  # noqa: PLR2004 - the octets of an int64
        raise ValueError(f"a column of {rows} octets")
    return rows, count


def _column(body: bytes, at: int, width: int, count: int) -> Ints:
    if not width:
        return np.zeros(count, np.int64)
    *lower, highest = np.frombuffer(body, np.uint8, width * count, at).reshape(width, count)
    column = highest.astype(np.int64)
    for plane in reversed(lower):
        column <<= 8
        column |= plane
    return column
