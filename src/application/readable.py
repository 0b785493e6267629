"""Entries of one type, out of what a journal gives; those that can not be read are passed over."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..domain.entry import Recorded, Stream, UnreadableEntry
from .ports import Journal

T = TypeVar("T")


def readable(
    journal: Journal,
    page: Iterable[Recorded],
    type_: type[T],
    on_unreadable: Callable[[Recorded, UnreadableEntry], None] = lambda *_: None,
) -> Iterator[tuple[int, T]]:
    """Number and entry of each that is of this type; `on_unreadable` is told of the damaged."""
    for recorded in page:
        try:
            entry = journal.decode(recorded)
        except UnreadableEntry as error:
            on_unreadable(recorded, error)
        else:
            if isinstance(entry, type_):
                yield recorded.number, entry


async def read_numbers(
    journal: Journal, stream: Stream, numbers: Sequence[int]
) -> AsyncIterator[Sequence[Recorded]]:
    """The entries with these ascending numbers, page by page; those that are gone are left out."""
    for first, last in _runs(numbers):
        async for page in journal.read(stream, first - 1, last):
            yield page


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers that follow each other."""
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield numbers[start], numbers[at - 1]
            start = at
