"""The middleware as an app puts it in: with a place in the place of a sink."""

import time
from collections.abc import Callable

from ..adapters.http import middleware
from ..adapters.http.middleware import ASGIApp
from ..application.sink import SampleSink
from .setting_error import checked_service
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
