"""Large things one after the other, so that each can go when the next one comes."""

from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def taken_out(items: list[T]) -> Iterator[T]:
    """The items in their order, none of which the list holds when the next one is given."""
    items.reverse()
    while items:
        yield items.pop()
