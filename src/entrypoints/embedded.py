"""In-process use, without HTTP: the same use cases that the routes call."""

from ..application.board import Opsboard
from ..domain.retention import Retention
from .container import container_for
from .settings import DEFAULT_STORE, StoreUrl


def open_board(store: str = DEFAULT_STORE, *, retention: str = "") -> Opsboard:
    """The board over the store at a URL (`sqlite:///ops.db`, `memory:`), for `async with`.

    `retention` is what `OPS_RETENTION` takes, such as `raw=3d` or `forever`; left out, it is what
    the store was told last.

    Nothing is touched before the context is entered, which raises `StoreUnusable` for a store that
    can not be opened. Raises `SettingError` for a URL that names no engine.
    """
    kept = Retention.parse(retention) if retention else None
    return container_for(StoreUrl.parse(store, "store"), kept).board()
