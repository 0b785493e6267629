"""Clients that write down every acknowledgement, and send again what had none."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ..load import HOST
from .subject import WRITERS, Subject

SETTLE_SECONDS = 60.0


class Refused(Exception):
    """The server answered, but with no success; the text is its answer."""


class Ledger:
    """What was sent, and how it was acknowledged, by the number of the request."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self.acknowledged: dict[int, bytes] = {}
        self._next = list(range(WRITERS))
        self.on_acknowledged: Callable[[], None] = lambda: None

    def next(self, writer: int) -> int:
        """The number of the writer's next request."""
        number = self._next[writer]
        self._next[writer] += WRITERS
        return number

    def acknowledge(self, number: int, body: bytes) -> None:
        """The request was answered with success."""
        self.acknowledged[number] = body
        self.on_acknowledged()


class Clients:
    """So many writers, each with one request on its way at most, which outlives connections."""

    def __init__(self, subject: Subject, port: int, ledger: Ledger) -> None:
        """Send what `subject` makes to this port."""
        self._subject = subject
        self._port = port
        self._ledger = ledger
        self._pending: list[tuple[int, bytes] | None] = [None] * WRITERS

    @property
    def pending(self) -> list[int]:
        """The requests that were sent, perhaps in part, and not acknowledged."""
        return [request[0] for request in self._pending if request is not None]

    def write_until_killed(self) -> None:
        """Write on all connections, for as long as the server lives. Raises `Refused`."""
        asyncio.run(self._all(self._until_killed))

    def settle(self) -> None:
        """Send again what has no acknowledgement, until it has. Raises `Refused`."""
        asyncio.run(asyncio.wait_for(self._all(self._settle), SETTLE_SECONDS))

    async def _all(self, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(work(writer))

    async def _until_killed(self, writer: int) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            connection = await asyncio.open_connection(HOST, self._port)
            try:
                while True:
                    await self._write(writer, *connection)
            finally:
                connection[1].close()

    async def _settle(self, writer: int) -> None:
        if self._pending[writer] is not None:
            connection = await asyncio.open_connection(HOST, self._port)
            await self._write(writer, *connection)
            connection[1].close()

    async def _write(
        self, writer: int, answers: asyncio.StreamReader, requests: asyncio.StreamWriter
    ) -> None:
        pending = self._pending[writer]
        if pending is None:
            number = self._ledger.next(writer)
            pending = self._pending[writer] = number, self._subject.request(number)
        number, request = pending
        requests.write(request)
        body = await _success(answers)
        self._pending[writer] = None
        self._ledger.acknowledge(number, body)


async def _success(answers: asyncio.StreamReader) -> bytes:
    head = (await answers.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0]
    body = await answers.readexactly(int(length)) if length else b""
    if not head.startswith(b"http/1.1 2"):
        raise Refused(f"{head!r}{body!r}")
    return body
