"""Open event streams, as pages do: `python -m benchmarks.listeners PORT STREAMS read|stall`."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from .load import HOST, get_request

_REQUEST = get_request("/events/stream?ticks=true")


@contextmanager
def listening(port: int, streams: int, *, reads: bool) -> Iterator[None]:
    """Keep so many streams open in a process of their own."""
    arguments = [str(port), str(streams), "read" if reads else "stall"]
    listeners = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.listeners", *arguments], stdout=subprocess.PIPE
    )
    try:
        assert listeners.stdout is not None
        if not listeners.stdout.readline():
            raise RuntimeError("the streams could not be opened")
        yield
    finally:
        listeners.kill()
        listeners.communicate()


class _Listener(asyncio.Protocol):
    """One stream; what it sends is thrown away, or left where it is once it has begun."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.begun = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self.begun.done():
            self.begun.set_result(data.startswith(b"HTTP/1.1 200 "))
            if not self._reads:
                self._transport.pause_reading()


async def listen(port: int, streams: int, *, reads: bool) -> None:
    """Open the streams, say so, and keep them for ever."""
    loop = asyncio.get_running_loop()
    listeners = []
    for _ in range(streams):
        _, listener = await loop.create_connection(lambda: _Listener(reads=reads), HOST, port)
        listeners.append(listener)
    if not all(await asyncio.gather(*(listener.begun for listener in listeners))):
        raise RuntimeError("the server refused a stream")
    print("open", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(listen(int(sys.argv[1]), int(sys.argv[2]), reads=sys.argv[3] == "read"))
