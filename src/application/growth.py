"""How those who follow a journal learn that it grew."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from ..domain.entry import Recorded, Stream
from .ports import Journal


class Growth:
    """Wakes everybody who waits, once for each time that something was appended."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._grown = asyncio.Event()

    def notify(self) -> None:
        """Wake those who wait now."""
        self._grown.set()
        self._grown = asyncio.Event()

    def watch(self) -> asyncio.Event:
        """An event that is set at the next growth; take it before reading, or miss one."""
        return self._grown


async def follow(
    journal: Journal, growth: Growth, stream: Stream, after: int
) -> AsyncIterator[Sequence[Recorded]]:
    """Every page of the stream after `after`, then new ones as `growth` tells of them, for ever."""
    while True:
        grown = growth.watch()
        async for page in journal.read(stream, after):
            yield page
            after = page[-1].number
        await grown.wait()
