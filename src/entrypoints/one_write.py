"""An answer in one piece is one write: uvicorn makes two system calls of it, head and body."""

import asyncio
from collections.abc import Awaitable, Generator, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ..adapters.http import request_id
from ..adapters.http.middleware import Message, Scope
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


class OneWriteCycle(RequestResponseCycle):
    """A request whose answer goes out in one write where it can; all else goes uvicorn's own way.

    The head of an answer that tells its length waits for the body's first part, as ASGI allows.
    """

    # As they are at first, for all: to set each of them for each request takes a tenth of it.
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    access_log = False
    body = b""  # type: ignore[assignment]
    _has_news = False
    """Whether something came that was not received, while there is no event to say so."""
    _event: asyncio.Event | None = None
    _head: Message | None = None

    def __init__(
        self,
        scope: Scope,
        protocol: HttpToolsProtocol,
        outbox: Outbox,
        line: Line,
        *,
        keep_alive: bool,
    ) -> None:
        """Serve one request of `protocol`; its answer goes into `outbox`.

        While it waits to be worked on it stands in `line`.
        """
        self.scope = cast(Any, scope)
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self._tasks = protocol.tasks
        self._outbox = outbox
        self._place = Place(line)

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """What uvicorn waits on; most requests are there before anybody has to."""
        if self._event is None:
            self._event = asyncio.Event()
            if self._has_news:
                self._event.set()
        return self._event

    def wake(self) -> None:
        """There is something to receive."""
        if self._event is None:
            self._has_news = True
        else:
            self._event.set()

    def complete(self) -> None:
        """All of the request is here; one that only asks does not have to stand in line."""
        self.more_body = False
        self.wake()
        if self.scope["method"] not in ASKING:
            self._place.enter()

    async def run_asgi(self, app: Any) -> None:
        """Serve the request."""
        try:
            await super().run_asgi(app)
        finally:
            self._place.leave()
            self._tasks.discard(cast(Any, asyncio.current_task()))

    async def receive(self) -> Any:
        """The next part of the body; with the last one it is this request's turn."""
        if self._has_news and self._event is None and self._is_open():
            self._has_news = False
            self.flow.resume_reading()
            message: Any = {
                "type": "http.request",
                "body": self.body,
                "more_body": self.more_body,
            }
            self.body = b""
        else:
            message = await super().receive()
        if not message.get("more_body"):
            await self._place.take_turn()
        return message

    def _is_open(self) -> bool:
        """Whether a part of the body is what comes next."""
        return not (self.disconnected or self.response_complete or self.waiting_for_100_continue)

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]
        """Send a head or a part of a body."""
        head = self._head
        if head is None:
            if message["type"] != "http.response.start":
                return super().send(message)
            self._fields, self._named = _split(message.get("headers", ()))
            if self._fields.length is None:
                return super().send(message)
            self._head = message
            return _DONE
        self._head = None
        if message.get("more_body") or not self._write(head["status"], message.get("body", b"")):
            return self._send_both(head, message)
        return _DONE

    async def send_500_response(self) -> None:
        """Answer in the place of an app that failed to; the head that it sent is not."""
        self._head = None
        await super().send_500_response()

    async def _send_both(self, head: Any, message: Any) -> None:
        await super().send(head)
        await super().send(message)

    def _write(self, status: int, body: bytes) -> bool:
        """Send all of an answer, if that can be done at once; whether it was."""
        fields = self._fields
        if not fields.is_plain or fields.length != len(body) or not self.keep_alive:
            return False
        if self.disconnected or self.response_started or self.flow.write_paused:
            return False
        if self.scope["method"] == "HEAD" or status in BODILESS:
            return False
        defaults = _fields(tuple(self.default_headers))
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        answer = b"".join(
            (STATUS_LINE[status], defaults.lines, fields.lines, self._named, b"\r\n", body)
        )
        self._outbox.send(self.transport, answer)
        self.wake()
        self.on_response()
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
