"""An open loop: so many requests a second, whether they are answered or not."""

import asyncio
import time
from collections import Counter, deque
from typing import cast

STEP_SECONDS = 0.005


class Flood:
    """Sends one request again and again over many connections, and notes what comes back.

    A request for which no connection is free is not sent, and counted in `unsent`.
    """

    def __init__(self, port: int, request: bytes, connections: int) -> None:
        self._port = port
        self._connections = connections
        self.request = request
        self.free: deque[_Connection] = deque()
        self.statuses: Counter[int] = Counter()
        self.accepted_ms: list[float] = []
        self.waits_said = 0
        self.unsent = 0
        self.lost = 0

    async def run(self, a_second: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        started = time.perf_counter()
        sent = 0
        while (elapsed := time.perf_counter() - started) < seconds:
            due = int(elapsed * a_second) - sent
            sent += due
            can = min(due, len(self.free))
            self.unsent += due - can
            for _ in range(can):
                self.free.popleft().send()
            await asyncio.sleep(STEP_SECONDS)
        while len(self.free) + self.lost < self._connections:
            await asyncio.sleep(STEP_SECONDS)
        for connection in self.free:
            connection.close()

    @property
    def p99_ms(self) -> float:
        return sorted(self.accepted_ms)[len(self.accepted_ms) * 99 // 100]


class _Connection(asyncio.Protocol):
    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._received = b""
        self._sent_at = 0.0
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._flood.free.append(self)

    def send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._flood.request)

    def close(self) -> None:
        self._done = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        head = head.lower()
        if len(body) < int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        self._received = b""
        status = int(head[9:12])
        self._flood.statuses[status] += 1
        if status == 200:
            self._flood.accepted_ms.append((time.perf_counter() - self._sent_at) * 1_000)
        self._flood.waits_said += b"\r\nretry-after: " in head
        self._flood.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._flood.lost += not self._done
