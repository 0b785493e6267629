"""In-process use, without HTTP: the same use cases that the routes call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..application.board import Opsboard
from .container import container_for
from .settings import DEFAULT_STORE, StoreUrl


@asynccontextmanager
async def open_board(store: str = DEFAULT_STORE) -> AsyncIterator[Opsboard]:
    """Open a store by its URL (`sqlite:///ops.db`, `memory:`) and work on it.

    Raises `SettingError` for a URL that names no engine, `StoreUnusable` for a store that can not
    be opened.
    """
    board = container_for(StoreUrl.parse(store, "store")).board()
    async with board.running():
        yield board
