"""The logging handler as an app puts it in: with a place in the place of a sink."""

import logging

from ..adapters import log_handler
from ..application.sink import EventSink
from .setting_error import checked_secret_keys, checked_service
from .sinks import sink_for


class EventHandler(log_handler.EventHandler):
    """Hands log records to a sink as events; it never waits, and never logs what it does itself.

    The event's type is `LOG`, or `EXCEPTION` where the record has an exception. `extra` is in its
    `meta`, beside the logger's name, the place in the code, and the exception with its stack trace.
    """

    def __init__(
        self,
        *,
        service: str,
        to: str | EventSink,
        token: str | None = None,
        level: int | str = logging.WARNING,
        secret_keys: str | None = None,
    ) -> None:
        """Events of `service`, from records of `level` and above.

        `to` is a server's URL, a store's, or an `Opsboard`. A server wants its API token: `token`,
        or the one in `OPS_API_TOKEN`. `secret_keys` is what `OPS_SECRET_KEYS` takes, and left out
        what that variable says: what `extra` has under such a key is masked here already.
        Raises `SettingError` for what can not work.
        """
        sink = sink_for(to, token) if isinstance(to, str) else to
        super().__init__(
            service=checked_service(service),
            to=sink,
            level=level,
            secret_keys=checked_secret_keys(secret_keys, "secret_keys"),
        )
