"""Protobuf's varints: one, and whole columns at once."""

import numpy as np
import numpy.typing as npt

from ....domain.sample import Ints

MAX_BYTES = 10
_PAYLOAD_BITS = 7
_MORE = 0x80


def lengths_of(numbers: Ints) -> Ints:
    """How many bytes each number takes; numbers are zero or more."""
    lengths = np.ones(len(numbers), np.int64)
    highest = int(numbers.max(initial=0))
    for taken in range(1, MAX_BYTES):
        if highest >> _PAYLOAD_BITS * taken == 0:
            break
        lengths += numbers >= 1 << _PAYLOAD_BITS * taken
    return lengths


def write(encoded: npt.NDArray[np.uint8], at: Ints, numbers: Ints, lengths: Ints) -> None:
    """Write each number into its place."""
    encoded[at] = numbers.astype(np.uint8)  # whole, if it is a short one; most are
    longer = np.flatnonzero(lengths > 1)
    while len(longer):
        at, numbers, lengths = at[longer], numbers[longer], lengths[longer]
        encoded[at] = numbers & (_MORE - 1) | _MORE
        at, numbers, lengths = at + 1, numbers >> _PAYLOAD_BITS, lengths - 1
        encoded[at] = numbers.astype(np.uint8)
        longer = np.flatnonzero(lengths > 1)


def varint(number: int) -> bytes:
    """One number of zero or more."""
    if number < _MORE:
        return bytes((number,))
    encoded = bytearray()
    while number >= _MORE:
        encoded.append(number & (_MORE - 1) | _MORE)
        number >>= _PAYLOAD_BITS
    encoded.append(number)
    return bytes(encoded)
