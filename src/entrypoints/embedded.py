"""In-process use, without HTTP: the same use cases that the routes call."""

from ..application.board import Opsboard
from .container import container_for
from .settings import DEFAULT_STORE, StoreUrl


def open_board(store: str = DEFAULT_STORE) -> Opsboard:
    """The board over the store at a URL (`sqlite:///ops.db`, `memory:`), for `async with`.

    Nothing is touched before the context is entered, which raises `StoreUnusable` for a store that
    can not be opened. Raises `SettingError` for a URL that names no engine.
    """
    return container_for(StoreUrl.parse(store, "store")).board()
