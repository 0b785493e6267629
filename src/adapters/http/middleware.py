"""The latency middleware: plain ASGI, for any framework."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ...application.sink import ExceptionSink, SampleSink, SettlingSink
from ...domain.series_key import KNOWN_METHODS, OTHER_METHOD, SeriesKey
from .lifespan import pass_lifespan
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

        Where `to` is an `ExceptionSink`, it is told what handlers raise; a `SettlingSink` is told
        when the app ends.
        `now` and `monotonic` give nanoseconds.
        """
        self._table = route_table(app)
        self.app = app
        self._service = service
        self._number = to.series
        self._observe = to.observe
        self._caught = to.caught if isinstance(to, ExceptionSink) else None
        self._settle = to.settle if isinstance(to, SettlingSink) else None
        self._now = now
        self._monotonic = monotonic
        self._series: dict[tuple[str, str, int], int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through untouched."""
        if scope["type"] != "http":
            if self._settle is not None and scope["type"] == "lifespan":
                await pass_lifespan(self.app, scope, receive, send, self._settle)
            else:
                await self.app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send, self._monotonic())
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception as error:
            exchange.end(exchange.status if exchange.client_gone else SERVER_ERROR)
            if self._caught is not None and not exchange.client_gone:
                self._report(error, scope, exchange.root_path)
            raise
        except BaseException:  # cancelled: asyncio is not imported for the sake of its name
            exchange.end(exchange.status or CLIENT_CLOSED_REQUEST)
            raise
        if not exchange.ended:
            exchange.end(exchange.status or SERVER_ERROR)

    def record(self, scope: Scope, root_path: str, status: int, started: int) -> None:
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

    def _report(self, error: Exception, scope: Scope, root_path: str) -> None:
        """Hand over what a handler raised, under the same terms as a sample."""
        try:
            if self._caught is not None:
                route = route_template(scope, root_path, self._table)
                self._caught(error, service=self._service, route=route, method=scope["method"])
        except Exception:  # noqa: BLE001 - the app's own error must come through
            _log.exception("an exception could not be recorded")

    def _intern(self, route: str, method: str, status: int) -> int:
        """The series' number; past `MAX_SERIES` of them, the sink is asked each time."""
        if method not in KNOWN_METHODS:
            method = OTHER_METHOD
        number = self._number(SeriesKey(self._service, route, method, status))
        if len(self._series) < MAX_SERIES:
            self._series[route, method, status] = number
        return number


class _Exchange:
    """One request while it is served."""

    __slots__ = (
        "_middleware",
        "_receive",
        "_scope",
        "_send",
        "_started",
        "_streams",
        "client_gone",
        "ended",
        "root_path",
        "status",
    )

    def __init__(
        self,
        middleware: LatencyMiddleware,
        scope: Scope,
        receive: Receive,
        send: Send,
        started: int,
    ) -> None:
        self._middleware = middleware
        self._scope = scope
        self._receive = receive
        self._send = send
        self._started = started
        self.root_path = scope.get("root_path", "")
        self._streams = self.client_gone = self.ended = False
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.status:
            # Whatever is answered from now on, nobody gets it.
            self.status, self.client_gone = CLIENT_CLOSED_REQUEST, True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Send on; not a coroutine itself, which saves one for each message."""
        if message["type"] == "http.response.body":
            if self._streams or message.get("more_body"):
                self._streams = True
                return self._send_part(message)
            # A body in one piece is sent as soon as it is handed over: there is no end to wait for.
            self.end(self.status)
        elif message["type"] == "http.response.start" and not self.client_gone:
            self.status = message["status"]
        return self._send(message)

    async def _send_part(self, message: Message) -> None:
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
        if not self.ended:
            self.ended = True
            self._middleware.record(self._scope, self.root_path, status, self._started)
