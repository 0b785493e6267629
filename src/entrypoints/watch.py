"""The middleware as an app puts it in: with a place in the place of a sink."""

import sys
import time
from collections.abc import Callable

from ..adapters.http import middleware, wsgi
from ..adapters.http.middleware import ASGIApp
from ..adapters.http.wsgi import WSGIApp
from ..application.sink import SampleSink
from .setting_error import SettingError, checked_service
from .sinks import sink_for


class LatencyMiddleware(middleware.LatencyMiddleware):
    """Hands a sample of every HTTP request to a sink, and changes nothing else.

    A request counts when its last byte is sent: its route template, method, status code, and
    latency from the first byte in. Make it the outermost middleware.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        to: str | SampleSink,
        token: str | None = None,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Wrap `app`; `service` names it in every sample, `to` takes them.

        `to` is a server's URL, a store's, an `Opsboard` or another `SampleSink`. A server wants
        its API token: `token`, or the one in `OPS_API_TOKEN`. Raises `SettingError` for a URL, a
        token or a service that can not work. `now` and `monotonic` give nanoseconds.
        """
        if isinstance(to, str):
            service, to = checked_service(service), sink_for(to, token)
        super().__init__(app, service=service, to=to, now=now, monotonic=monotonic)


class WsgiLatencyMiddleware(wsgi.WsgiLatencyMiddleware):
    """Hands a sample of every request of a WSGI app to a sink, and changes nothing else.

    A request counts when its last byte is handed to the server: its route template, method, status
    code, and latency. Make it the outermost middleware.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        service: str,
        to: str | SampleSink,
        token: str | None = None,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Wrap `app`; the arguments are those of `LatencyMiddleware`.

        `to` can be no `Opsboard`, which lives on an event loop: a store's URL opens one in a thread
        of its own.
        """
        if isinstance(to, str):
            service, to = checked_service(service), sink_for(to, token)
        elif _is_board(to):
            raise SettingError("to: a board takes no samples from threads: give its store's URL")
        super().__init__(app, service=service, to=to, now=now, monotonic=monotonic)


def _is_board(sink: SampleSink) -> bool:
    """Without importing what a board needs."""
    board = sys.modules.get("opsboard.application.board")
    return board is not None and isinstance(sink, board.Opsboard)
