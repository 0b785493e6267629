"""A server in the test's own process, so that a test can bound and hold what it looks at."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from opsboard.entrypoints.protocol import BoundedProtocol, Limits, bounded_by

from ..patience import patiently

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


class Served:
    """Called, it connects."""

    def __init__(self, server: uvicorn.Server, address: tuple[str, int]) -> None:
        self._server = server
        self._address = address
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self) -> Connection:
        reader, writer = await asyncio.open_connection(*self._address)
        self.writers.append(writer)
        return reader, writer

    @property
    def held(self) -> int:
        """How many connections the server has."""
        return len(self._server.server_state.connections)


@asynccontextmanager
async def served(
    app: Any, limits: Limits | type[BoundedProtocol], refused: Counter[str] | None = None
) -> AsyncIterator[Served]:
    """A server of this app with these limits, or of this protocol, in this process."""
    http = bounded_by(limits, refused) if isinstance(limits, Limits) else limits
    config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0)
        connect = Served(server, listener.getsockname())
        try:
            async with patiently():
                yield connect
        finally:
            for writer in connect.writers:
                writer.close()
            server.should_exit = True
            await running
