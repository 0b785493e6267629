"""One protobuf field of many messages at once: how long each is, and how to write all of them.

The length of a message stands before it, so every length is known before anything is written, and
each byte is written once.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ....domain.sample import Ints
from .varints import lengths_of, write

Octets: TypeAlias = npt.NDArray[np.uint8]
_DOUBLE_BYTES = 8


class Field(Protocol):
    """A field of as many messages as `lengths` has numbers."""

    @property
    def lengths(self) -> Ints:
        """How many bytes it has in each message, with its tag."""
        ...

    def write(self, into: Octets, at: Ints) -> None:
        """Write each message's bytes from its place on."""
        ...


def laid_out(fields: Sequence[Field]) -> tuple[Octets, Ints]:
    """The messages of these fields, one after the other, and where they begin and the last ends."""
    upto = _upto(sum_of_lengths(fields))
    into = np.empty(int(upto[-1]), np.uint8)
    _write_fields(fields, into, upto[:-1])
    return into, upto


def sum_of_lengths(fields: Sequence[Field]) -> Ints:
    """How many bytes each message has."""
    total = fields[0].lengths
    for field in fields[1:]:
        total = total + field.lengths
    return total


class Constant:
    """The same bytes in each message."""

    def __init__(self, content: bytes, messages: int) -> None:
        self._content = content
        self.lengths: Ints = np.full(messages, len(content), np.int64)

    def write(self, into: Octets, at: Ints) -> None:
        """See `Field.write`."""
        _write_bytes(into, at, self._content)


class Number:
    """A tag and a varint."""

    def __init__(self, tag: bytes, numbers: Ints) -> None:
        self._tag, self._numbers = tag, numbers
        self._of_numbers = lengths_of(numbers)
        self.lengths: Ints = self._of_numbers + len(tag)

    def write(self, into: Octets, at: Ints) -> None:
        """See `Field.write`."""
        _write_bytes(into, at, self._tag)
        write(into, at + len(self._tag), self._numbers, self._of_numbers)


class Double:
    """A tag and eight bytes."""

    def __init__(self, tag: bytes, values: npt.NDArray[np.float64]) -> None:
        self._tag, self._values = tag, values
        self.lengths: Ints = np.full(len(values), len(tag) + _DOUBLE_BYTES, np.int64)

    def write(self, into: Octets, at: Ints) -> None:
        """See `Field.write`."""
        _write_bytes(into, at, self._tag)
        # A view of the eight bytes from each place on: one store for each value, not eight.
        from_each = np.ndarray(max(len(into) - _DOUBLE_BYTES + 1, 0), "<f8", into, strides=(1,))
        from_each[at + len(self._tag)] = self._values


class Repeated:
    """Fields that a message has any number of times; message `i` those from `upto[i]` on."""

    def __init__(self, fields: Sequence[Field], upto: Ints) -> None:
        """`upto` is where the next message's begin, for each message and at the end."""
        self._fields, self._upto = fields, upto
        self._starts = _upto(sum_of_lengths(fields))
        self.lengths: Ints = np.diff(self._starts[upto])

    def write(self, into: Octets, at: Ints) -> None:
        """See `Field.write`."""
        moved = np.repeat(at - self._starts[self._upto[:-1]], np.diff(self._upto))
        _write_fields(self._fields, into, self._starts[:-1] + moved)


def _write_fields(fields: Sequence[Field], into: Octets, at: Ints) -> None:
    for field in fields:
        field.write(into, at)
        at = at + field.lengths


def _write_bytes(into: Octets, at: Ints, content: bytes) -> None:
    for place, octet in enumerate(content):
        into[at + place] = octet


def _upto(lengths: Ints) -> Ints:
    """Where each of them begins, and the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])
