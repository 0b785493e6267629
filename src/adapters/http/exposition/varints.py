"""Protobuf's varints, of whole columns at once."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ....domain.sample import Ints

MAX_BYTES = 10
_PAYLOAD_BITS = 7
_MORE = 0x80
_OF_ONE_BYTE = [bytes([number]) for number in range(_MORE)]


class Varints(NamedTuple):
    """Encoded numbers one after the other; number `i` is the bytes `upto[i]` to `upto[i + 1]`."""

    encoded: bytes
    upto: Ints

    @classmethod
    def of(cls, numbers: Ints) -> "Varints":
        """Of numbers of zero or more."""
        lengths = lengths_of(numbers)
        upto = np.concatenate([[0], np.cumsum(lengths)])
        encoded = np.zeros(int(upto[-1]), np.uint8)
        write(encoded, upto[:-1], numbers, lengths)
        return cls(encoded.tobytes(), upto)

    @property
    def each(self) -> list[bytes]:
        """Each number by itself."""
        return cut(self.encoded, self.upto)


def cut(encoded: bytes, upto: Ints) -> list[bytes]:
    """The pieces that end where the next one begins."""
    return [encoded[start:end] for start, end in pairwise(upto.tolist())]


def lengths_of(numbers: Ints) -> Ints:
    """How many bytes each number takes."""
    lengths = np.ones(len(numbers), np.int64)
    highest = int(numbers.max(initial=0))
    for taken in range(1, MAX_BYTES):
        if highest >> _PAYLOAD_BITS * taken == 0:
            break
        lengths += numbers >= 1 << _PAYLOAD_BITS * taken
    return lengths


def write(encoded: npt.NDArray[np.uint8], at: Ints, numbers: Ints, lengths: Ints) -> None:
    """Write each number into its place."""
    for place in range(int(lengths.max(initial=0))):
        bits = numbers >> _PAYLOAD_BITS * place & (_MORE - 1)
        is_longer = lengths > place + 1
        encoded[at + place] = bits | np.where(is_longer, _MORE, 0)
        if not is_longer.all():
            at, numbers, lengths = at[is_longer], numbers[is_longer], lengths[is_longer]


def zigzag(numbers: Ints) -> Ints:
    """Signed numbers as numbers of zero or more, small ones small."""
    return numbers << 1 ^ numbers >> 63


def varint(number: int) -> bytes:
    """One number of zero or more."""
    if number < _MORE:
        return _OF_ONE_BYTE[number]
    encoded = bytearray()
    while number >= _MORE:
        encoded.append(number & (_MORE - 1) | _MORE)
        number >>= _PAYLOAD_BITS
    encoded.append(number)
    return bytes(encoded)
