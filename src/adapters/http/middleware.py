"""The latency middleware: plain ASGI, for any framework."""

import logging
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ...application.ports import SampleSink
from ...domain.sample import KNOWN_METHODS, OTHER_METHOD, RequestSample, SeriesKey
from .route_template import route_template

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_CLOSED_REQUEST = 499
SERVER_ERROR = 500

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
        self.app = app
        self._service = service
        self._observe = to.observe
        self._now = now
        self._monotonic = monotonic
        self._series: dict[tuple[str, str, int], SeriesKey] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, send, self._monotonic())
        try:
            await self.app(scope, receive, exchange.send)
        except CancelledError:
            exchange.end(exchange.status or CLIENT_CLOSED_REQUEST)
            raise
        except BaseException:
            exchange.end(exchange.status if exchange.client_gone else SERVER_ERROR)
            raise
        exchange.end(exchange.status or SERVER_ERROR)

    def record(self, scope: Scope, root_path: str, status: int, started: int) -> None:
        """Hand over one sample; what goes wrong here is logged, and never the request's fault."""
        try:
            latency_ns = self._monotonic() - started
            where = (route_template(scope, root_path), scope["method"], status)
            series = self._series.get(where) or self._intern(*where)
            self._observe(RequestSample(series, latency_ns, self._now()))
        except Exception:  # noqa: BLE001 - whatever it is, the request must not suffer
            _log.exception("a request could not be recorded")

    def _intern(self, route: str, method: str, status: int) -> SeriesKey:
        if method not in KNOWN_METHODS:
            return SeriesKey(self._service, route, OTHER_METHOD, status)
        series = SeriesKey(self._service, route, method, status)
        self._series[route, method, status] = series
        return series


class _Exchange:
    """One request while it is served."""

    __slots__ = (
        "_ended",
        "_middleware",
        "_root_path",
        "_scope",
        "_send",
        "_started",
        "client_gone",
        "status",
    )

    def __init__(
        self, middleware: LatencyMiddleware, scope: Scope, send: Send, started: int
    ) -> None:
        self._middleware = middleware
        self._scope = scope
        self._send = send
        self._started = started
        self._root_path = scope.get("root_path", "")
        self._ended = False
        self.status = 0
        self.client_gone = False

    def send(self, message: Message) -> Awaitable[None]:
        """Send on; not a coroutine itself, which saves one for each message."""
        if message["type"] == "http.response.body":
            return self._send_body(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
        return self._send(message)

    async def _send_body(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self.client_gone = True
            raise
        finally:
            if not message.get("more_body"):
                self.end(self.status)

    def end(self, status: int) -> None:
        """Count the request, once."""
        if not self._ended:
            self._ended = True
            self._middleware.record(self._scope, self._root_path, status, self._started)
