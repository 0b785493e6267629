"""Columns of integers as bytes: planes by significance, each compressed by itself, and checked.

Bytes of one significance lie together, so the upper ones, which hardly change, shrink to almost
nothing. The lower ones are noise: compressed together with the others they would spoil those, and
by themselves they cost no more than they are.
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
_PART = struct.Struct("<BI")
_RAW, _ZSTD = 0, 1
_WIDEST = 8
"""Octets of a number, and so the most planes that a column has."""
_FEW = 256
"""Up to so many numbers, to join them at once is at no width slower than plane by plane."""


class DamagedColumns(ValueError):
    """The bytes are not what was packed; the text says how that shows."""


def pack(magic: bytes, version: int, labels: bytes, columns: Sequence[Ints]) -> bytes:
    """Labels (any bytes) and columns of integers of zero or more, of any lengths.

    The frame starts with `magic` (4 bytes), `version` (0-255) and a CRC-32 over the rest. A part is
    a byte that says whether it is compressed, its length, and its bytes: first the labels, then
    each column as its number of planes, its length, and its planes, the lowest first.
    """
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    parts = [_part(compressor, labels)]
    for column in columns:
        planes = _planes(column)
        parts.append(_COLUMN.pack(len(planes), len(column)))
        parts += [_part(compressor, plane.tobytes()) for plane in planes]
    body = b"".join(parts)
    return _HEADER.pack(magic, version, zlib.crc32(body)) + body


def _part(compressor: zstandard.ZstdCompressor, content: bytes) -> bytes:
    compressed = compressor.compress(content)
    if len(compressed) < len(content):
        return _PART.pack(_ZSTD, len(compressed)) + compressed
    return _PART.pack(_RAW, len(content)) + content


def _planes(column: Ints) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """One row for each significance that the column needs, the lowest first."""
    width = (int(column.max()).bit_length() + 7) // 8 if len(column) else 0
    octets = np.ascontiguousarray(column, "<i8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(octets[:, :width].T)


def unpack(
    magic: bytes, version: int, packed: bytes, columns: int | None = None
) -> tuple[bytes, list[Ints]]:
    """The labels and columns that `pack` was given, or so many columns. Raises `DamagedColumns`."""
    if len(packed) < _HEADER.size:
        raise DamagedColumns("is cut short")
    found_magic, found_version, checksum = _HEADER.unpack_from(packed)
    if found_magic != magic:
        raise DamagedColumns(f"starts with {found_magic!r}, not with {magic!r}")
    if found_version != version:
        raise DamagedColumns(f"is of version {found_version}, not {version}")
    if zlib.crc32(memoryview(packed)[_HEADER.size :]) != checksum:
        raise DamagedColumns("has another checksum than its content")
    try:
        return _Body(packed).parsed(columns)
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        raise DamagedColumns(f"can not be unpacked: {error}") from error


class _Body:
    """What lies behind the header, read from its start to its end."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._at = _HEADER.size
        self._left = MAX_BYTES
        self._decompressor = zstandard.ZstdDecompressor()

    def parsed(self, wanted: int | None) -> tuple[bytes, list[Ints]]:
        labels = self._part()
        columns: list[Ints] = []
        while self._at < len(self._packed) and len(columns) != wanted:
            columns.append(self._column())
        return labels, columns

    def _part(self) -> bytes:
        kind, length = _PART.unpack_from(self._packed, self._at)
        start = self._at + _PART.size
        self._at = start + length
        content = self._packed[start : self._at]
        if len(content) < length:
            raise ValueError("a part is cut short")
        if kind == _ZSTD:
            # Asked first: zstandard heeds a limit only where a frame does not say its size.
            self._take(zstandard.frame_content_size(content))
            return self._decompressor.decompress(content)
        self._take(length)
        return content

    def _take(self, size: int) -> None:
        if not 0 <= size <= self._left:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        self._left -= size

    def _column(self) -> Ints:
        width, count = _COLUMN.unpack_from(self._packed, self._at)
        self._at += _COLUMN.size
        if width > _WIDEST:
            raise ValueError(f"a column of {width} octets")
        if not width:
            self._take(count)
            return np.zeros(count, np.int64)
        planes = [self._plane(count) for _ in range(width)]
        return _joined(planes) if width == 1 or count > _FEW else _joined_at_once(planes, count)

    def _plane(self, count: int) -> bytes:
        plane = self._part()
        if len(plane) != count:
            raise ValueError(f"a plane of {len(plane)} bytes, not {count}")
        return plane


def _joined(planes: Sequence[bytes]) -> Ints:
    """Numbers out of their planes, the lowest first; one after the other stays in a cache."""
    *lower, highest = planes
    column = np.frombuffer(highest, np.uint8).astype(np.int64)
    for plane in reversed(lower):
        column <<= 8
        column |= np.frombuffer(plane, np.uint8)
    return column


def _joined_at_once(planes: Sequence[bytes], count: int) -> Ints:
    """The same of few numbers, for which every step of numpy's costs more than what it does."""
    octets = np.frombuffer(b"".join(planes) + bytes((_WIDEST - len(planes)) * count), np.uint8)
    return octets.reshape(_WIDEST, count).T.copy().view("<i8").reshape(count)
