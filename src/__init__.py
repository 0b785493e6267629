"""opsboard: health, request latency, errors and operational events, folded from one journal."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .application.board import Opsboard
    from .entrypoints.embedded import open_board as open
    from .entrypoints.log import EventHandler
    from .entrypoints.mounted import asgi
    from .entrypoints.watch import LatencyMiddleware, WsgiLatencyMiddleware

__all__ = [
    "EventHandler",
    "LatencyMiddleware",
    "Opsboard",
    "WsgiLatencyMiddleware",
    "__version__",
    "asgi",
    "open",
]

__version__ = "0.1.0"

_HOMES = {
    "EventHandler": ("entrypoints.log", "EventHandler"),
    "LatencyMiddleware": ("entrypoints.watch", "LatencyMiddleware"),
    "Opsboard": ("application.board", "Opsboard"),
    "WsgiLatencyMiddleware": ("entrypoints.watch", "WsgiLatencyMiddleware"),
    "asgi": ("entrypoints.mounted", "asgi"),
    "open": ("entrypoints.embedded", "open_board"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: an app that wants the middleware does not pay for the server."""
    try:
        module, attribute = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module(f".{module}", __name__), attribute)
