"""A server over the shop's eight hours, whose clock stands still: `python -m ...seeded PORT`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from opsboard import __version__
from opsboard.adapters.http.app import create_app
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard

from ...fakes import CountingIds, ManualClock
from ..server import TOKEN
from . import shop


@asynccontextmanager
async def serving(port: int = 0, read_token: str | None = None) -> AsyncIterator[str]:
    """The address of the server, once it holds the eight hours."""
    clock = ManualClock()
    board = Opsboard(MemoryStore(clock), clock, CountingIds())
    app = create_app(board, api_token=TOKEN, read_token=read_token, version=__version__)
    config = uvicorn.Config(app, port=port, lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    await shop.fill(board, clock)
    clock.time = shop.NOW_NS
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def _main() -> None:
    async with serving(int(sys.argv[1])) as address:
        print(address, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
