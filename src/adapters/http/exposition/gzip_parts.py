"""A gzip file out of parts that are compressed each by itself, and kept.

Parts end on a byte and refer to nothing before them, so that one file is their concatenation. It
has one member: several are allowed by RFC 1952, but curl and others stop after the first. Its
checksum is that of the parts' checksums (`crc32_combine` of zlib, of which Python has none).
"""

import zlib
from collections.abc import Iterable
from functools import cache
from itertools import chain

import msgspec
from isal import isal_zlib

LEVEL = 1
"""The lines of metrics repeat so much that more takes longer for little less."""

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_HEAD = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255])
_END = b"\x03\x00"


class Part(msgspec.Struct, frozen=True):
    """Some bytes, deflated: how many they were, their CRC-32, and what shifts another's past it."""

    deflated: bytes
    length: int
    crc: int
    shift: int

    @classmethod
    def of(cls, content: bytes) -> "Part":
        """Compress; on a thread, it does not hold up others."""
        deflate = isal_zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = deflate.compress(content) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return cls(deflated, len(content), zlib.crc32(content), _power_of_x(8 * len(content)))

    @property
    def content(self) -> bytes:
        """The bytes as they were, at some GB/s."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.deflated)


def gzip_file(parts: Iterable[Part]) -> bytes:
    """All parts, one after the other, as one gzip file."""
    crc = length = 0
    deflated = []
    for part in parts:
        crc = _product(part.shift, crc) ^ part.crc
        length += part.length
        deflated.append(part.deflated)
    trailer = crc.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join(chain([_HEAD], deflated, [_END, trailer]))


def _product(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo that of CRC-32; bits are reflected."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def _power_of_x(exponent: int) -> int:
    power, place = _ONE, 0
    while exponent:
        power = _product(_power_of_digit(exponent & 0xFF, place), power)
        exponent >>= 8
        place += 8
    return power


@cache
def _power_of_digit(digit: int, place: int) -> int:
    """The polynomial x to the power of `digit << place`."""
    power = _ONE
    for bit in range(8):
        if digit >> bit & 1:
            power = _product(_squared(place + bit), power)
    return power


@cache
def _squared(times: int) -> int:
    """The polynomial x, squared so many times."""
    if not times:
        return _ONE >> 1
    root = _squared(times - 1)
    return _product(root, root)
