"""Damage in a write-ahead log: SQLite takes it for the log's end, and drops what follows.

A log that a process left behind may well end in the middle of a transaction: that one was not
acknowledged. But a transaction is begun only when the one before it is synced. So where a whole
frame of a later transaction follows upon a damaged one, something acknowledged is damaged.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGICS = {0x377F0682: "<u4", 0x377F0683: ">u4"}
_Pair = tuple[int, int]


class _Frame(NamedTuple):
    """A frame of the newest generation of a log."""

    is_commit: bool
    follows: bool
    """Whether its checksum is the one that it has after what the frame before it has stored."""


def damaged_frame(log: Path) -> int | None:
    """The number (from 1) of the damaged frame that acknowledged ones follow upon, if any."""
    try:
        with log.open("rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    damaged, commits = None, 0
    for number, frame in enumerate(_frames(content), 1):
        if not frame.follows:
            if damaged is not None:
                return None
            damaged = number
        elif damaged is not None and commits:
            return damaged
        if damaged is not None:
            commits += frame.is_commit
    return None


def _frames(content: bytes) -> Iterator[_Frame]:
    if len(content) < _HEADER.size:
        return
    magic, _, page_size, _, *salts, sum_1, sum_2 = _HEADER.unpack_from(content)
    if magic not in _MAGICS:
        return
    checksum = _Checksum(_MAGICS[magic], page_size)
    before = (sum_1, sum_2)
    for start in range(_HEADER.size, len(content), _FRAME.size + page_size):
        part = content[start : start + _FRAME.size + page_size]
        if len(part) < _FRAME.size + page_size:
            return
        _, size_after_commit, *found_salts, sum_1, sum_2 = _FRAME.unpack_from(part)
        if found_salts != salts:
            return
        covered = part[:8] + part[_FRAME.size :]
        yield _Frame(size_after_commit != 0, checksum.after(before, covered) == (sum_1, sum_2))
        before = (sum_1, sum_2)


class _Checksum:
    """SQLite's, for frames of one size.

    It goes over pairs of words: `a += x + b; b += y + a`, modulo 2^32. That is linear, so each word
    counts some Fibonacci number of times, and the sum is a product with all of them.
    """

    def __init__(self, word: str, page_size: int) -> None:
        self._word = word
        pairs = (8 + page_size) // 8
        numbers = [0, 1]
        for _ in range(2 * pairs):
            numbers.append((numbers[-1] + numbers[-2]) % 2**32)
        fibonacci = np.array(numbers, np.uint32)
        self._to_a = fibonacci[2 * pairs - 1 :: -1]
        self._to_b = fibonacci[2 * pairs : 0 : -1]
        self._of_a = [int(fibonacci[2 * pairs - 1]), int(fibonacci[2 * pairs])]
        self._of_b = [int(fibonacci[2 * pairs]), int(fibonacci[2 * pairs + 1])]

    def after(self, before: _Pair, covered: bytes) -> _Pair:
        words = np.frombuffer(covered, self._word).astype(np.uint32)
        sums = []
        for weights, of_a, of_b in (
            (self._to_a, self._of_a[0], self._of_b[0]),
            (self._to_b, self._of_a[1], self._of_b[1]),
        ):
            own = int((words * weights).sum(dtype=np.uint32))
            sums.append((own + before[0] * of_a + before[1] * of_b) % 2**32)
        return sums[0], sums[1]
