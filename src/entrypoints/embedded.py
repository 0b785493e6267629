"""In-process use, without HTTP: the same use cases that the routes call."""

from ..application.board import Opsboard
from ..domain.retention import Retention
from .container import container_for
from .setting_error import checked_secret_keys
from .settings import DEFAULT_STORE, StoreUrl


def open_board(
    store: str = DEFAULT_STORE, *, retention: str = "", secret_keys: str | None = None
) -> Opsboard:
    """The board over the store at a URL (`sqlite:///ops.db`, `memory:`), for `async with`.

    `retention` is what `OPS_RETENTION` takes, such as `raw=3d` or `forever`; left out, it is what
    the store was told last. `secret_keys` is what `OPS_SECRET_KEYS` takes; left out, it is what
    that variable says.

    Nothing is touched before the context is entered, which raises `StoreUnusable` for a store that
    can not be opened. Raises `SettingError` for a URL that names no engine, and keys that can be
    none.
    """
    kept = Retention.parse(retention) if retention else None
    masked = checked_secret_keys(secret_keys, "secret_keys")
    return container_for(StoreUrl.parse(store, "store"), kept, secret_keys=masked).board()
