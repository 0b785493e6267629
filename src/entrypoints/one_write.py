"""An answer in one piece is one write: uvicorn makes two system calls of it, head and body."""

from collections.abc import Awaitable, Generator
from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from ..adapters.http.middleware import ASGIApp, Message, Receive, Scope, Send

BODILESS = frozenset({204, 304})
KNOWN_LINES = 1_024

Header = tuple[bytes, bytes]


class OneWrite:
    """An app whose answers go out in one write where they can; all else goes uvicorn's own way.

    The head of an answer that tells its length waits for the body's first part, as ASGI allows.
    """

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        """Serve the one request of `cycle` with `app`."""
        self._app = app
        self._cycle = cycle
        self._head: Message | None = None
        self._send: Send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        self._send = send
        await self._app(scope, receive, self._take)
        if self._head is not None:
            await send(self._head)

    def _take(self, message: Message) -> Awaitable[None]:
        head = self._head
        if head is None:
            if message["type"] != "http.response.start" or not _has_length(message):
                return self._send(message)
            self._head = message
            return _DONE
        self._head = None
        if message.get("more_body") or not self._write(head, message):
            return self._send_both(head, message)
        return _DONE

    async def _send_both(self, head: Message, message: Message) -> None:
        await self._send(head)
        await self._send(message)

    def _write(self, head: Message, message: Message) -> bool:
        """Write all of an answer, if that can be done at once; whether it was."""
        cycle, body, status = self._cycle, message.get("body", b""), head["status"]
        if not cycle.keep_alive or cycle.disconnected or cycle.flow.write_paused:
            return False
        if cycle.scope["method"] == "HEAD" or status in BODILESS:
            return False
        headers = head["headers"]
        if (b"content-length", b"%d" % len(body)) not in headers:
            return False
        lines = [_line(name, value) for name, value in headers]
        if b"" in lines:
            return False
        defaults = [_line(name, value) for name, value in cycle.default_headers]
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.expected_content_length = 0
        cycle.transport.write(b"".join([STATUS_LINE[status], *defaults, *lines, b"\r\n", body]))
        cycle.message_event.set()
        cycle.on_response()
        return True


def _has_length(head: Message) -> bool:
    return any(name == b"content-length" for name, _ in head.get("headers", ()))


@lru_cache(maxsize=KNOWN_LINES)
def _line(name: bytes, value: bytes) -> bytes:
    """A header as it is sent; nothing for one that uvicorn has to look at."""
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        return b""
    if name.lower() in {b"connection", b"transfer-encoding"}:
        return b""
    return b"%b: %b\r\n" % (name.lower(), value)


class _Done:
    """What is awaited when there is nothing to wait for."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_DONE = _Done()
