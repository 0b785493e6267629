"""The server process: one socket, one loop, a clean end."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import msgspec
import uvicorn

from .. import __version__
from ..adapters.http.app import broadcast_of, create_app
from ..adapters.http.event_broadcast import EventBroadcast
from ..adapters.http.middleware import ASGIApp
from ..adapters.sqlite.short_turns import SECONDS as SWITCH_SECONDS
from ..application.board import Opsboard
from ..application.errors import StoreUnusable
from ..domain.retention import Retention
from .container import container_for
from .log_lines import FIELDS
from .protocol import MAX_CONNECTIONS, BoundedProtocol, Limits, bounded_by, limits_of_this_process
from .settings import SettingError, Settings

GRACE_SECONDS = 20
CANCEL_SECONDS = 1.0
SETTLE_SECONDS = 30.0
FORCED_SETTLE_SECONDS = 5.0
POLL_SECONDS = 0.05
BACKLOG = 2_048
LARGE_BLOCK_BYTES = 1024 * 1024
GARBAGE_THRESHOLD = 20_000
"""Containers made before the young ones are searched for cycles, of which requests make none."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_log = logging.getLogger(__name__)


def return_freed_memory(threshold: int = LARGE_BLOCK_BYTES) -> None:
    """Let glibc give blocks of so many bytes back to the system as soon as they are free.

    It raises its own threshold to 32 MiB as it goes; what questions needed then stays, in pieces.
    And it keeps an arena for each thread, where what one thread gave back is of no use to another;
    Python's threads hardly ever allocate at once, so they share one. Other C libraries are left as
    they are.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, threshold)
        mallopt(_M_ARENA_MAX, 1)


class Ending(msgspec.Struct, frozen=True):
    """How a server ended: requests that were not answered, samples that were not written."""

    cut_off: int
    unwritten: int

    def __str__(self) -> str:
        """One line, true in each of its halves."""
        answered = "every request was answered"
        if self.cut_off:
            answered = f"{self.cut_off} in flight cut off"
        flushed = "the journal is flushed"
        if self.unwritten:
            flushed = f"{self.unwritten} request samples could not be written"
        return f"ended: {answered}, {flushed}"


class GracefulServer(uvicorn.Server):
    """Says when it is ready; ends with exit status 0 after SIGTERM or SIGINT.

    Requests in flight are waited for, until `GRACE_SECONDS` have passed or a second SIGINT comes;
    then they are cut off, which `requests_cut_off` counts. The app settles in any case.
    """

    announce: Callable[[], None]
    end_streams: Callable[[], None]
    requests_cut_off = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        # What was made by now stays: searching it for garbage stops every request for 30-50 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
        self.announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, let what runs come to its end, and let the app settle."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self.end_streams()
        await self._wait(self._is_idle, GRACE_SECONDS)
        await self._cut_off()
        settling = asyncio.create_task(self.lifespan.shutdown())
        if not await self._wait(settling.done, SETTLE_SECONDS):
            await asyncio.wait([settling], timeout=FORCED_SETTLE_SECONDS)

    def _is_idle(self) -> bool:
        return not self.server_state.connections and not self.server_state.tasks

    async def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether it holds: as soon as it does, when the time is over, or at a second SIGINT.

        It asks again and again, as uvicorn does: a signal can not set an event of the loop.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not holds() and not self.force_exit and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        return holds()

    async def _cut_off(self) -> None:
        tasks = list(self.server_state.tasks)
        connections = list(self.server_state.connections)
        ours = [each for each in connections if isinstance(each, BoundedProtocol)]
        self.requests_cut_off = [connection.cut_off() for connection in ours].count(True)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)

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
        self.force_exit |= self.should_exit and number == signal.SIGINT
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


def serve(settings: Settings, announce: Callable[[str, Retention], None]) -> Ending:
    """Serve until SIGTERM or SIGINT; `announce` is told address and retention once it answers.

    In-flight requests are finished and the journal is flushed before it returns, as far as it says.
    Raises `SettingError` and `StoreUnusable`, in which case nothing was served.
    """
    return_freed_memory()
    sys.setswitchinterval(SWITCH_SECONDS)
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        # Where both go to one terminal, what is announced there says the same.
        _log.setLevel(logging.INFO)
    with contextlib.closing(bind(settings.host, settings.port)) as listener:
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        failures: list[StoreUnusable] = []
        board = container_for(
            settings.store, settings.retention, settings.max_series, settings.secret_keys
        ).board()
        broadcast = broadcast_of(board)
        app = _app(board, broadcast, settings, failures)
        server = GracefulServer(_config(app, bounded_by(_limits(), board.vitals.requests_refused)))
        server.end_streams = broadcast.end

        def announce_and_log() -> None:
            announce(address, board.retainer.retention)
            _log_start(address, settings, board.retainer.retention)

        server.announce = announce_and_log
        with _without_traces_of(failures):
            server.run(sockets=[listener])
        ending = Ending(server.requests_cut_off, board.samples.unwritten)
        _log.info("%s", ending, extra={FIELDS: msgspec.structs.asdict(ending)})
        return ending


def _log_start(address: str, settings: Settings, retention: Retention) -> None:
    fields = {
        "version": __version__,
        "address": address,
        "store": str(settings.store),
        "retention": str(retention),
        "writes_open": settings.api_token is not None,
        "reads_open": settings.read_token is None,
    }
    _log.info("started", extra={FIELDS: fields})


def _limits() -> Limits:
    limits = limits_of_this_process()
    if limits.answered < MAX_CONNECTIONS:
        _log.warning(
            "at most %d connections are answered: the process may open no more files (ulimit -n)",
            limits.answered,
        )
    return limits


@contextlib.contextmanager
def _without_traces_of(failures: Sequence[StoreUnusable]) -> Iterator[None]:
    """Raise the first failure in place of uvicorn's trace of it and its exit.

    Nor is there anything to trace in a request that was cut off on purpose.
    """

    def untold(record: logging.LogRecord) -> bool:
        cancelled = record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)
        return not failures and not cancelled

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


def _app(
    board: Opsboard,
    broadcast: EventBroadcast,
    settings: Settings,
    failures: list[StoreUnusable],
) -> ASGIApp:
    """The app; where its store can not be opened, the reason is added to `failures`."""
    return create_app(
        board,
        api_token=settings.api_token,
        read_token=settings.read_token,
        version=__version__,
        on_unusable=failures.append,
        broadcast=broadcast,
    )


def _config(app: ASGIApp, http: type[BoundedProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        proxy_headers=False,
    )
