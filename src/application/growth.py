"""How those who follow a journal learn that it grew."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from ..domain.entry import Recorded, Stream
from .ports import Journal


class Growth:
    """Wakes everybody who follows a stream, once for each time that something was appended."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._grown = {stream: asyncio.Event() for stream in Stream}
        self._changed = asyncio.Event()

    def notify(self, streams: Iterable[Stream]) -> None:
        """Wake those who wait now for one of these streams, or for any change."""
        self._changed.set()
        self._changed = asyncio.Event()
        for stream in streams:
            self._grown[stream].set()
            self._grown[stream] = asyncio.Event()

    def watch(self, stream: Stream) -> asyncio.Event:
        """An event that is set when the stream grows next; take it before reading, or miss one."""
        return self._grown[stream]

    def watch_changes(self) -> asyncio.Event:
        """An event that is set at the next commit, whatever it wrote."""
        return self._changed


async def follow(
    journal: Journal, growth: Growth, stream: Stream, after: int
) -> AsyncIterator[Sequence[Recorded]]:
    """Every page of the stream after `after`, then new ones as `growth` tells of them, for ever."""
    while True:
        grown = growth.watch(stream)
        async for page in journal.read(stream, after):
            yield page
            after = page[-1].number
        await grown.wait()
