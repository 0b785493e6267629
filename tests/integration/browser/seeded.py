"""A server whose clock stands still, over the shop's eight hours or over nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from opsboard import __version__
from opsboard.adapters.http.app import create_app
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard

from ...fakes import SECOND_NS, CountingIds, ManualClock
from ...patience import until
from ..server import TOKEN
from . import shop

UPTIME_NS = (6 * 86_400 + 4 * 3_600) * SECOND_NS


@asynccontextmanager
async def serving(
    *, port: int = 0, read_token: str | None = None, is_filled: bool = True
) -> AsyncIterator[str]:
    """The address of the server, once it holds what it should."""
    clock = ManualClock(shop.NOW_NS)
    board = Opsboard(MemoryStore(clock), clock, CountingIds())
    app = create_app(board, api_token=TOKEN, read_token=read_token, version=__version__)
    config = uvicorn.Config(app, port=port, lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    if is_filled:
        await shop.fill(board, clock)
    clock.time = shop.NOW_NS
    clock.elapsed = UPTIME_NS
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
