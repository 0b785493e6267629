"""A load client that costs little: of what comes back, only status and length are read."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, cast

import uvloop

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 "

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Load:
    """What one burst of load saw; latencies in seconds, in order of size."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency that this part of the requests did not exceed, in milliseconds."""
        place = min(int(len(self.latencies) * percent / 100), len(self.latencies) - 1)
        return self.latencies[place] * 1_000


def get_request(path: str) -> bytes:
    """A GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\n\r\n".encode()


def post_request(
    path: str,
    body: bytes,
    token: str,
    headers: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"}),
) -> bytes:
    """A POST as bytes, of JSON unless the headers say otherwise."""
    said = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\nX-Ops-Token: {token}\r\n"
        f"{said}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


Request: TypeAlias = bytes | Callable[[], bytes]
"""What to send: always the same, or what this gives each time."""


def run_for(seconds: float, port: int, request: Request, connections: int) -> Load:
    """Send this request over and over, on as many connections, for this long."""

    def start() -> Callable[[], bool]:
        end = time.perf_counter() + seconds
        return lambda: time.perf_counter() < end

    return _run(port, request, connections, start)


def run_count(requests: int, port: int, request: Request, connections: int) -> Load:
    """Send this request so many times, on as many connections."""

    def start() -> Callable[[], bool]:
        rest = iter(range(requests))
        return lambda: next(rest, None) is not None

    return _run(port, request, connections, start)


def _run(
    port: int, request: Request, connections: int, start: Callable[[], Callable[[], bool]]
) -> Load:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_burst(port, request, connections, start))


async def _burst(
    port: int, request: Request, connections: int, start: Callable[[], Callable[[], bool]]
) -> Load:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(request, latencies), HOST, port)
        clients.append(client)
    more, started = start(), time.perf_counter()
    for client in clients:
        client.begin(more)
    await asyncio.gather(*(client.done for client in clients))
    return Load(time.perf_counter() - started, sorted(latencies))


class _Client(asyncio.Protocol):
    """One keep-alive connection: the next request goes out when the last one is answered."""

    def __init__(self, request: Request, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._received = b""
        self._sent_at = 0.0
        self._more: Callable[[], bool] = lambda: False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, more: Callable[[], bool]) -> None:
        """Send for as long as `more` says so."""
        self._more = more
        self._next()

    def _next(self) -> None:
        if self._more():
            request = self._request if isinstance(self._request, bytes) else self._request()
            self._sent_at = time.perf_counter()
            self._transport.write(request)
        else:
            self._end(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_END_OF_HEAD)
        if head_end < 0:
            return
        length = _CONTENT_LENGTH.search(self._received, 0, head_end)
        if length is None or not self._received.startswith(_OK):
            self._end(RuntimeError(f"the server answered {self._received!r}"))
        elif len(self._received) >= head_end + len(_END_OF_HEAD) + int(length[1]):
            self._received = b""
            self._latencies.append(time.perf_counter() - self._sent_at)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed a connection"))

    def _end(self, failure: Exception | None) -> None:
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)
        self._transport.close()
