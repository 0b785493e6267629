"""The server process: one socket, one loop, a clean end."""

import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn

from .. import __version__
from ..adapters.http.app import create_app
from ..adapters.http.middleware import ASGIApp
from ..application.errors import StoreUnusable
from .container import container_for
from .settings import SettingError, Settings

GRACE_SECONDS = 20
BACKLOG = 2_048
MAX_CONNECTIONS = 4_096


class GracefulServer(uvicorn.Server):
    """Says when it is ready; ends with exit status 0 after SIGTERM or SIGINT.

    A second SIGINT does not wait for requests in flight.
    """

    announce: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        # What was made by now stays: searching it for garbage stops every request for 30-50 ms.
        gc.collect()
        gc.freeze()
        self.announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals while serving, and do not raise them again afterwards."""
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A bound socket. Raises `SettingError` naming OPS_HOST or OPS_PORT."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise SettingError(f"OPS_HOST: {host!r} can not be resolved: {error}") from error
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise SettingError(
            f"OPS_HOST, OPS_PORT: can not listen on {host}:{port}: {error.strerror}"
        ) from error
    return listener


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is told the address once requests are answered.

    In-flight requests are finished and the journal is flushed before it returns. Raises
    `SettingError` and `StoreUnusable`, in which case nothing was served.
    """
    with contextlib.closing(bind(settings.host, settings.port)) as listener:
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        failures: list[StoreUnusable] = []
        server = GracefulServer(_config(_app(settings, failures)))
        server.announce = lambda: announce(address)
        with _without_traces_of(failures):
            server.run(sockets=[listener])


@contextlib.contextmanager
def _without_traces_of(failures: Sequence[StoreUnusable]) -> Iterator[None]:
    """Raise the first failure in place of uvicorn's trace of it and its exit."""

    def untold(_: logging.LogRecord) -> bool:
        return not failures

    log = logging.getLogger("uvicorn.error")
    log.addFilter(untold)
    try:
        yield
    except SystemExit:
        if failures:
            raise failures[0] from None
        raise
    finally:
        log.removeFilter(untold)


def _app(settings: Settings, failures: list[StoreUnusable]) -> ASGIApp:
    """The app; where its store can not be opened, the reason is added to `failures`."""
    return create_app(
        container_for(settings.store, settings.retention, settings.max_series).board(),
        api_token=settings.api_token,
        read_token=settings.read_token,
        version=__version__,
        on_unusable=failures.append,
    )


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=False,
    )
