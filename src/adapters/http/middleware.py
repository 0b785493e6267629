"""The latency middleware: plain ASGI, for any framework."""

import logging
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ...application.ports import SampleSink
from ...domain.sample import KNOWN_METHODS, OTHER_METHOD, OTHER_ROUTE, SeriesKey
from .route_tables import route_table
from .route_template import route_template

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_CLOSED_REQUEST = 499
SERVER_ERROR = 500
MAX_SERIES = 10_000

_log = logging.getLogger(__name__)


class LatencyMiddleware:
    """Hands a sample of every HTTP request to a sink, and changes nothing else.

    A request counts when its last byte is sent: its route template, method, status code, and
    latency from the first byte in. A handler that raises counts as 500; where the client went
    away, what was sent counts (499 if nothing was). Make it the outermost middleware, so that it
    sees what the others answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        to: SampleSink,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Wrap `app`; `service` names it in every sample, `to` takes them (an `Opsboard` does).

        `now` and `monotonic` give nanoseconds.
        """
        self._table = route_table(app)
        self.app = app
        self._service = service
        self._number = to.series
        self._observe = to.observe
        self._now = now
        self._monotonic = monotonic
        self._series: dict[tuple[str, str, int], int] = {}

    async def __call__(  # noqa: C901 - closures: an object for each request costs more
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request; anything but HTTP passes through untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self._monotonic()
        root_path = scope.get("root_path", "")
        status = 0
        ended = client_gone = False

        def end(counted_as: int) -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._record(scope, root_path, counted_as, started)

        async def watch_receive() -> Message:
            nonlocal status, client_gone
            message = await receive()
            if message["type"] == "http.disconnect" and not status:
                # Whatever is answered from now on, nobody gets it.
                status, client_gone = CLIENT_CLOSED_REQUEST, True
            return message

        def watch(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.body":
                return send_body(message)
            if message["type"] == "http.response.start" and not client_gone:
                status = message["status"]
            return send(message)

        async def send_body(message: Message) -> None:
            nonlocal client_gone
            try:
                await send(message)
            except OSError:
                client_gone = True
                raise
            finally:
                if not message.get("more_body"):
                    end(status)

        try:
            await self.app(scope, watch_receive, watch)
        except CancelledError:
            end(status or CLIENT_CLOSED_REQUEST)
            raise
        except BaseException:
            end(status if client_gone else SERVER_ERROR)
            raise
        end(status or SERVER_ERROR)

    def _record(self, scope: Scope, root_path: str, status: int, started: int) -> None:
        """Hand over one sample; what goes wrong here is logged, and never the request's fault."""
        try:
            latency_ns = self._monotonic() - started
            route = scope.get("path_template") or route_template(scope, root_path, self._table)
            where = (route, scope["method"], status)
            series = self._series.get(where)
            if series is None:
                series = self._intern(*where)
            self._observe(series, latency_ns, self._now())
        except Exception:  # noqa: BLE001 - whatever it is, the request must not suffer
            _log.exception("a request could not be recorded")

    def _intern(self, route: str, method: str, status: int) -> int:
        """The series; past `MAX_SERIES` of them, that of the one route that stands for the rest."""
        if method not in KNOWN_METHODS:
            method = OTHER_METHOD
        if len(self._series) >= MAX_SERIES and (route, method, status) not in self._series:
            return self._number(SeriesKey(self._service, OTHER_ROUTE, method, status))
        series = self._number(SeriesKey(self._service, route, method, status))
        return self._series.setdefault((route, method, status), series)
