"""What is killed."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

WRITERS = 16
ITEMS = 10
"""In a request, at most."""
STRIDE = ITEMS + 2
"""From the first item of a request to the first one of the next."""


class Subject(Protocol):
    """A server that keeps what it acknowledges, in a folder and at a port that it was given.

    Requests are numbered, and a number is always the same writer's: its remainder by `WRITERS`.
    Each item that a request writes has a number of its own, from `number * STRIDE` on.
    """

    name: str
    version: str
    ready_path: str
    """Answered with 200 once it takes writes."""

    def command(self) -> Sequence[str | Path]:
        """How it is started, again and again, over the same folder."""
        ...

    def request(self, number: int) -> bytes:
        """The request with this number, as it goes over the wire; asked for once."""
        ...

    def items(self, number: int) -> Sequence[int]:
        """What this request writes."""
        ...

    def prepare(self) -> None:
        """What has to be told to it before it takes writes."""
        ...

    def found(self) -> Counter[int]:
        """How often each item is there now, or is since this was asked last."""
        ...


class Sequenced:
    """Timestamps in ms that only grow for each writer: as each of its requests needs them."""

    def __init__(self, now_ms: int) -> None:
        """The first ones are from now on."""
        self._next = [now_ms] * WRITERS

    def take(self, number: int) -> range:
        """Those of a request's items."""
        first = self._next[number % WRITERS]
        self._next[number % WRITERS] += ITEMS
        return range(first, first + ITEMS)


def all_items(number: int) -> range:
    """The numbers of a request's items, where it has `ITEMS` of them."""
    return range(number * STRIDE, number * STRIDE + ITEMS)
