"""The latency middleware: plain ASGI, for any framework."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ...application.sink import ExceptionSink, SampleSink, SettlingSink
from .lifespan import pass_lifespan
from .route_tables import route_table
from .route_template import route_template
from .series_numbers import SeriesNumbers

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

        Where `to` is an `ExceptionSink`, it is told what handlers raise; a `SettlingSink` is told
        when the app ends.
        `now` and `monotonic` give nanoseconds.
        """
        self._table = route_table(app)
        self.app = app
        self._service = service
        self._series = SeriesNumbers(service, to.series)
        self._observe = to.observe
        self._caught = to.caught if isinstance(to, ExceptionSink) else None
        self._settle = to.settle if isinstance(to, SettlingSink) else None
        self._now = now
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through untouched."""
        if scope["type"] != "http":
            if self._settle is not None and scope["type"] == "lifespan":
                await pass_lifespan(self.app, scope, receive, send, self._settle)
            else:
                await self.app(scope, receive, send)
            return
        # Filled in here: an `__init__` would cost more than all of this.
        exchange = _Exchange()
        exchange.middleware = self
        exchange.scope = scope
        exchange.root_path = scope.get("root_path", "")
        exchange.to_receive = receive
        exchange.to_send = send
        exchange.status = 0
        exchange.streams = exchange.client_gone = exchange.ended = False
        exchange.started = self._monotonic()
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            self.record(exchange, exchange.status if exchange.client_gone else SERVER_ERROR)
            if self._caught is not None and not exchange.client_gone:
                self._report(error, scope, exchange.root_path)
            raise
        except BaseException:  # cancelled: asyncio is not imported for the sake of its name
            self.record(exchange, exchange.status or CLIENT_CLOSED_REQUEST)
            raise
        if not exchange.ended:
            self.record(exchange, exchange.status or SERVER_ERROR)

    def record(self, exchange: "_Exchange", status: int) -> None:
        """Count a request, once; what goes wrong here is logged, and never the request's fault."""
        if exchange.ended:
            return
        exchange.ended = True
        try:
            latency_ns = self._monotonic() - exchange.started
            scope = exchange.scope
            route = scope.get("path_template") or route_template(
                scope, exchange.root_path, self._table
            )
            series = self._series[route, scope["method"], status]
            self._observe(series, latency_ns, self._now())
        except Exception:  # noqa: BLE001 - whatever it is, the request must not suffer
            _log.exception("a request could not be recorded")

    def _report(self, error: Exception, scope: Scope, root_path: str) -> None:
        """Hand over what a handler raised, under the same terms as a sample."""
        try:
            if self._caught is not None:
                route = route_template(scope, root_path, self._table)
                self._caught(error, service=self._service, route=route, method=scope["method"])
        except Exception:  # noqa: BLE001 - the app's own error must come through
            _log.exception("an exception could not be recorded")


class _Exchange:
    """One request while it is served."""

    __slots__ = (
        "client_gone",
        "ended",
        "middleware",
        "root_path",
        "scope",
        "started",
        "status",
        "streams",
        "to_receive",
        "to_send",
    )

    middleware: LatencyMiddleware
    scope: Scope
    root_path: str
    """As it was when the request came in."""
    to_receive: Receive
    to_send: Send
    started: int
    """By the middleware's monotonic clock."""
    status: int
    """What counts so far; 0 where nothing does."""
    streams: bool
    client_gone: bool
    ended: bool

    async def receive(self) -> Message:
        message = await self.to_receive()
        if message["type"] == "http.disconnect" and not self.status:
            # Whatever is answered from now on, nobody gets it.
            self.status, self.client_gone = CLIENT_CLOSED_REQUEST, True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Send on; not a coroutine itself, which saves one for each message."""
        kind = message["type"]
        if kind == "http.response.body":
            if self.streams or message.get("more_body"):
                self.streams = True
                return self._send_part(message)
            # A body in one piece is sent as soon as it is handed over: there is no end to wait for.
            self.middleware.record(self, self.status)
        elif kind == "http.response.start" and not self.client_gone:
            self.status = message["status"]
        return self.to_send(message)

    async def _send_part(self, message: Message) -> None:
        try:
            await self.to_send(message)
        except OSError:
            self.client_gone = True
            raise
        finally:
            if not message.get("more_body"):
                self.middleware.record(self, self.status)
