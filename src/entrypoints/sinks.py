"""What `to=` names: the sink of a process' own samples and events, one for each place."""

import os
import threading
from typing import TYPE_CHECKING

from ..adapters.shipper.address import Address
from ..adapters.shipper.shipper import Shipper
from .setting_error import SettingError, checked_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..adapters.shipper.carrier import Carrier

TOKEN = "OPS_API_TOKEN"  # noqa: S105 - the name of the variable

_sinks: dict[tuple[str, str | None], Shipper] = {}
_lock = threading.Lock()


def sink_for(to: str, token: str | None) -> Shipper:
    """The sink that ships to a server (`http://host:8000`) or into a file (`sqlite:///ops.db`).

    Whoever names the same place shares it. The token for a server is the one in `OPS_API_TOKEN`
    where none is given. Raises `SettingError` for what is no such place.
    """
    token = _token(to, token)
    with _lock:
        sink = _sinks.get((to, token))
        if sink is None:
            sink = _sinks[to, token] = _new_sink(to, token)
        return sink


def _token(to: str, token: str | None) -> str | None:
    if not to.startswith("http"):
        return None
    if token is not None:
        return checked_token("token", token)
    named = os.environ.get(TOKEN)
    return checked_token(TOKEN, named) if named else None


def _new_sink(to: str, token: str | None) -> Shipper:
    return Shipper(_to_server(to, token) if to.startswith("http") else _to_store(to))


def _to_server(to: str, token: str | None) -> "Callable[[], Carrier]":
    try:
        address = Address.parse(to)
    except ValueError as error:
        raise SettingError(f"to: {to!r} {error}") from error

    def carrier() -> "Carrier":
        from .. import __version__  # noqa: PLC0415
        from ..adapters.shipper.http_carrier import HttpCarrier  # noqa: PLC0415

        return HttpCarrier(address, token, f"opsboard/{__version__}")

    return carrier


def _to_store(to: str) -> "Callable[[], Carrier]":
    from .settings import StoreUrl  # noqa: PLC0415

    if StoreUrl.parse(to, "to").path is None:
        raise SettingError(f"to: {to!r} is this process' alone: open it and give the board itself")

    def carrier() -> "Carrier":
        from ..adapters.shipper.board_carrier import BoardCarrier  # noqa: PLC0415
        from .embedded import open_board  # noqa: PLC0415

        return BoardCarrier(lambda: open_board(to))

    return carrier
