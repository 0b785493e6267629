"""An answer in one piece is one write: uvicorn makes two system calls of it, head and body."""

import asyncio
from collections.abc import Awaitable, Generator, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from ..adapters.http import request_id
from ..adapters.http.middleware import ASGIApp, Message, Receive, Scope, Send
from .turns import Line, Place

BODILESS = frozenset({204, 304})
ASKING = frozenset({"GET", "HEAD", "OPTIONS"})
KNOWN_FIELDS = 512

Header: TypeAlias = tuple[bytes, bytes]

_OF_THE_CONNECTION = frozenset({b"content-length", b"connection", b"transfer-encoding"})


class Outbox:
    """Answers that are made in one turn of the event loop, and sent together at its end.

    One commit lets many requests go on at once. Sent one by one, between the making of the others,
    each answer wakes its reader by itself, which costs 12 us.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def send(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Send it with the others, or before that by `flush`."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((transport, answer))

    def flush(self) -> None:
        """Send what waits now: whoever closes a connection, or writes past this, has to."""
        waiting, self._waiting = self._waiting, []
        for transport, answer in waiting:
            if not transport.is_closing():
                transport.write(answer)


class OneWrite:
    """An app whose answers go out in one write where they can; all else goes uvicorn's own way.

    The head of an answer that tells its length waits for the body's first part, as ASGI allows.
    """

    def __init__(
        self, app: ASGIApp, cycle: RequestResponseCycle, outbox: Outbox, line: Line
    ) -> None:
        """Serve the one request of `cycle` with `app`; its answer goes into `outbox`.

        While it waits to be worked on it stands in `line`.
        """
        self._app = app
        self.cycle = cycle
        self._outbox = outbox
        self._place = Place(line)
        self._head: Message | None = None
        self._send: Send
        self._receive: Receive
        if not cycle.more_body:
            self.complete()

    def complete(self) -> None:
        """All of the request is here; one that only asks does not have to stand in line."""
        if self.cycle.scope["method"] not in ASKING:
            self._place.enter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        self._send = send
        self._receive = receive
        try:
            await self._app(scope, self._next, self._take)
        finally:
            self._place.leave()
        if self._head is not None:
            await send(self._head)

    async def _next(self) -> Message:
        """The next part of the body; with the last one it is this request's turn."""
        message = await self._receive()
        if not message.get("more_body"):
            self._place.take_turn()
        return message

    def _take(self, message: Message) -> Awaitable[None]:
        head = self._head
        if head is None:
            if message["type"] != "http.response.start":
                return self._send(message)
            self._fields, self._named = _split(message.get("headers", ()))
            if self._fields.length is None:
                return self._send(message)
            self._head = message
            return _DONE
        self._head = None
        if message.get("more_body") or not self._write(head["status"], message.get("body", b"")):
            return self._send_both(head, message)
        return _DONE

    async def _send_both(self, head: Message, message: Message) -> None:
        await self._send(head)
        await self._send(message)

    def _write(self, status: int, body: bytes) -> bool:
        """Send all of an answer, if that can be done at once; whether it was."""
        cycle, fields = self.cycle, self._fields
        if not fields.is_plain or fields.length != len(body) or not cycle.keep_alive:
            return False
        if cycle.disconnected or cycle.flow.write_paused:
            return False
        if cycle.scope["method"] == "HEAD" or status in BODILESS:
            return False
        defaults = _fields(tuple(cycle.default_headers))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.expected_content_length = 0
        answer = b"".join(
            (STATUS_LINE[status], defaults.lines, fields.lines, self._named, b"\r\n", body)
        )
        self._outbox.send(cycle.transport, answer)
        cycle.message_event.set()
        cycle.on_response()
        return True


class _Fields(NamedTuple):
    """Headers as they are sent; not plain where uvicorn has to look at them."""

    lines: bytes
    length: int | None
    is_plain: bool


def _split(headers: Iterable[Header]) -> tuple[_Fields, bytes]:
    """The fields that other answers have too, and the line of the request's id, which none has."""
    known = tuple(headers)
    if known and known[-1][0] is request_id.HEADER:
        return _fields(known[:-1]), b"%b: %b\r\n" % known[-1]
    return _fields(known), b""


@lru_cache(maxsize=KNOWN_FIELDS)
def _fields(headers: tuple[Header, ...]) -> _Fields:
    lines, lengths, is_plain = [], [], True
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length" and value.isdigit():
            lengths.append(int(value))
        elif lower in _OF_THE_CONNECTION or HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            is_plain = False
        lines.append(b"%b: %b\r\n" % (lower, value))
    length = lengths[0] if lengths else None
    return _Fields(b"".join(lines), length, is_plain and len(lengths) == 1)


class _Done:
    """What is awaited when there is nothing to wait for."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_DONE = _Done()
