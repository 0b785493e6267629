"""Signed numbers as numbers of zero or more, small ones small: 0, -1, 1, -2 as 0, 1, 2, 3.

Segments are stored so, and Protobuf has its `sint64` so.
"""

from ..domain.sample import Ints


def zigzag(numbers: Ints) -> Ints:
    """Fold the sign into the lowest bit; of numbers from -2**62 to below 2**62."""
    return numbers << 1 ^ numbers >> 63


def unzigzag(folded: Ints) -> Ints:
    """The numbers that were folded."""
    return folded >> 1 ^ -(folded & 1)
