"""The latency middleware for WSGI: Flask, Django and others, in threads or processes."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from ...application.sink import ExceptionSink, SampleSink
from ...domain.series_key import UNMATCHED_ROUTE
from .route_tables import django_route, layers, with_braces
from .series_numbers import SeriesNumbers

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], object]]
WSGIApp: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

SERVER_ERROR = 500

_log = logging.getLogger(__name__)


class WsgiLatencyMiddleware:
    """Hands a sample of every request to a sink, and changes nothing else.

    A request counts when its last byte is handed to the server: its route template, method, status
    code, and latency since the server handed it over. A handler that raises counts as 500; where
    the client went away, what was sent counts. A body that is complete, and a file that the server
    sends by itself, are counted as they are handed over.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        service: str,
        to: SampleSink,
        now: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Wrap `app`; `to` takes the samples, from any thread. See `LatencyMiddleware`."""
        self.app = app
        self._is_django = any(map(_is_django, layers(app)))
        self._flask = next(filter(_is_flask, layers(app)), None)
        self._service = service
        self._series = SeriesNumbers(service, to.series)
        self._observe = to.observe
        self._caught = to.caught if isinstance(to, ExceptionSink) else None
        self._now = now
        self._monotonic = monotonic

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        exchange = _Exchange(self, environ, start_response, self._monotonic())
        try:
            body = self.app(environ, exchange.start_response)
        except BaseException as error:
            exchange.end(SERVER_ERROR, error if isinstance(error, Exception) else None)
            raise
        if isinstance(body, list | tuple) or _is_file(body, environ):
            exchange.end()
            return body
        return _Body(body, exchange)

    def record(self, route: str, method: str, status: int, started: int) -> None:
        """Hand over one sample."""
        latency_ns = self._monotonic() - started
        self._observe(self._series[route, method, status], latency_ns, self._now())

    def report(self, error: Exception, route: str, method: str) -> None:
        """Hand over what a handler raised."""
        if self._caught is not None:
            self._caught(error, service=self._service, route=route, method=method)

    def route(self, environ: Environ, rule: str | None, mounted_at: str) -> str:
        """The template of a request: by the rule that Flask matched, or by asking a table again.

        `mounted_at` is the script name as the request came in.
        """
        if self._is_django:
            path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
            return django_route({"path": path}, "") or UNMATCHED_ROUTE
        if rule is None and self._flask is not None:
            rule = _flask_rule(self._flask, environ)
        if rule is None:
            return UNMATCHED_ROUTE
        mount: str = environ.get("SCRIPT_NAME", "").removeprefix(mounted_at)
        return mount + with_braces(rule)


class _Exchange:
    """One request while it is served; what goes wrong here is logged, and never its fault."""

    __slots__ = (
        "_environ",
        "_middleware",
        "_mounted_at",
        "_rule",
        "_start",
        "_started",
        "ended",
        "status",
    )

    def __init__(
        self,
        middleware: WsgiLatencyMiddleware,
        environ: Environ,
        start: StartResponse,
        started: int,
    ) -> None:
        self._middleware = middleware
        self._environ = environ
        self._start = start
        self._started = started
        self._mounted_at = environ.get("SCRIPT_NAME", "")
        self._rule: str | None = None
        self.status = SERVER_ERROR
        self.ended = False

    def start_response(self, status: str, *rest: Any) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        # Flask forgets the request as soon as its answer is made.
        rule = getattr(self._environ.get("werkzeug.request"), "url_rule", None)
        self._rule = getattr(rule, "rule", None)
        return self._start(status, *rest)

    def end(self, status: int | None = None, error: Exception | None = None) -> None:
        """Count the request, once; with the status that was sent, unless another is given."""
        if self.ended:
            return
        self.ended = True
        counted = self.status if status is None else status
        try:
            route = self._middleware.route(self._environ, self._rule, self._mounted_at)
            method = self._environ["REQUEST_METHOD"]
            self._middleware.record(route, method, counted, self._started)
            if error is not None:
                self._middleware.report(error, route, method)
        except Exception:  # noqa: BLE001 - whatever it is, the request must not suffer
            _log.exception("a request could not be recorded")


class _Body:
    """A body on its way: the request ends with it, or when the server closes it before."""

    def __init__(self, body: Iterable[bytes], exchange: _Exchange) -> None:
        self._body = body
        self._exchange = exchange
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        try:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)
        except StopIteration:
            self._exchange.end()
            raise
        except Exception as error:
            self._exchange.end(SERVER_ERROR, error)
            raise

    def close(self) -> None:
        """Called by the server in any case; also where the client went away."""
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._exchange.end()


def _is_file(body: Iterable[bytes], environ: Environ) -> bool:
    """Whether the server sends the body by itself, which it knows by its class."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


def _is_django(app: Any) -> bool:
    django = sys.modules.get("django.core.handlers.wsgi")
    return django is not None and isinstance(app, django.WSGIHandler)


def _is_flask(app: Any) -> bool:
    flask = sys.modules.get("flask")
    return flask is not None and isinstance(app, flask.Flask)


def _flask_rule(app: Any, environ: Environ) -> str | None:
    try:
        rule, _ = app.url_map.bind_to_environ(environ).match(return_rule=True)
    except Exception:  # noqa: BLE001 - no route, another method, a redirect: each is an exception
        return None
    text: str = rule.rule
    return text
