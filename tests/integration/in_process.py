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


@asynccontextmanager
async def served(
    app: Any, limits: Limits | type[BoundedProtocol], refused: Counter[str] | None = None
) -> AsyncIterator[Connect]:
    """A server of this app with these limits, or of this protocol, in this process."""
    http = bounded_by(limits, refused) if isinstance(limits, Limits) else limits
    config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0)
        writers = []

        async def connect() -> Connection:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writers.append(writer)
            return reader, writer

        try:
            async with patiently():
                yield connect
        finally:
            for writer in writers:
                writer.close()
            server.should_exit = True
            await running
