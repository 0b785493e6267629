"""HTTP/1.1 on one connection: what uvicorn does, within bounds of time, size and number."""

import asyncio
import resource
from collections import Counter
from http import HTTPStatus
from typing import Any, ClassVar, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ..adapters.http.middleware import ASGIApp, Receive, Scope, Send
from ..adapters.http.problems import refusal
from .one_write import OneWrite, Outbox
from .turns import Line

MAX_CONNECTIONS = 4_096
MAX_FILES = 16_384
RESERVED_FILES = 64
"""What the store, the log and the listening socket need, and then some."""


class Limits(msgspec.Struct, frozen=True):
    """What clients are given.

    `answered` connections get answers, those beyond are told to wait, and beyond `connections`
    they are closed at once. The head of a request is its request line and headers; what comes with
    a body and is none of it, trailers and extensions of chunks, may be as long. Who takes nothing
    of an answer for `stalled_seconds`, while more of it waits than is held here, is cut off.
    """

    answered: int = MAX_CONNECTIONS
    connections: int = 2 * MAX_CONNECTIONS
    head_seconds: float = 15.0
    head_bytes: int = 64 * 1024
    stalled_seconds: float = 15.0


def limits_of_this_process() -> Limits:
    """The limits that the files which this process may open leave room for; asks for more first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Limits()
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    connections = min(2 * MAX_CONNECTIONS, max(soft, wanted) - RESERVED_FILES)
    return Limits(min(MAX_CONNECTIONS, connections - connections // 8), connections)


class BoundedProtocol(HttpToolsProtocol):
    """Closes what never becomes a request, and refuses as everything else here does: by a problem.

    uvicorn alone has no deadline for a head and no limit to its size, and refuses in plain text.
    """

    limits = Limits()
    refused: ClassVar[Counter[str]] = Counter()
    """By status code: requests that no route saw, and connections for which there was no room."""
    outbox = Outbox()
    line = Line()
    _served: OneWrite | None = None
    _head_bytes = 0
    _bytes_beside_body = 0
    """Since its last piece. The parser holds a trailer until it is complete, however long it is."""
    _in_body = False
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the head of a first request, if there is room for the connection at all."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._count(HTTPStatus.SERVICE_UNAVAILABLE)
            transport.abort()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more.

        uvicorn tells it to the newest request only, which may wait for the one that is answered.
        """
        self._expect_nothing()
        self._cancel_stalled()
        if self._served is not None and not self._served.cycle.response_complete:
            self._served.cycle.disconnected = True
            self._served.cycle.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """What is held for the client is as much as may be: it has to take some of it in time."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It did."""
        self._cancel_stalled()
        super().resume_writing()

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; until a head is complete, it may only be so long and take so long."""
        if self._in_body:
            self._bytes_beside_body += len(data)
        else:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_body and self._bytes_beside_body > self.limits.head_bytes:
            self.refuse(*self._too_much_beside_body())
            return
        if self._is_answering():
            return
        # Also within a body whose answer is sent already: what nobody reads has to end some time.
        self._expect_head()
        if self._head_bytes > self.limits.head_bytes:
            self.refuse(*self._too_long())

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_body = False

    def on_headers_complete(self) -> None:
        """A head is complete: answer it, or refuse it where it is too long or too many are here."""
        self._expect_nothing()
        self._in_body = True
        self._bytes_beside_body = 0
        received, self._head_bytes = self._head_bytes, 0
        app = self.app
        if received > self.limits.head_bytes and self._length_of_head() > self.limits.head_bytes:
            self.app = self._refusing(*self._too_long())
        elif max(len(self.connections), len(self.tasks)) > self.limits.answered:
            detail = "Too many connections are open."
            self.app = self._refusing(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        elif fault := self._fault_of_head():
            self.app = self._refusing(HTTPStatus.BAD_REQUEST, fault)
        try:
            super().on_headers_complete()
            if self.parser.should_upgrade():
                # The parser takes what follows for something else than HTTP.
                self.cycle.keep_alive = False
        finally:
            self.app = app
            # What comes now are trailers, which must not pass for headers (RFC 9110, 6.5.1).
            self.headers = []

    def _fault_of_head(self) -> str:
        """Why a proxy and this server may not mean the same request; empty where they do."""
        hosts = 0
        has_body = False
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                has_body = True
                if value.lower() != b"chunked":
                    return "Transfer-Encoding may be chunked only."
            elif name == b"content-length":
                has_body |= value != b"0"
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            return "A request must have one Host header."
        if has_body and self.parser.should_upgrade():
            return "A request with a body can not ask for an upgrade."
        return ""

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing of it in the log: whoever likes may ask for one, as often as he likes."""

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._bytes_beside_body = 0
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = OneWrite(app, cycle, self.outbox, self.line)
        super()._start_asgi_task(cycle, cast(Any, self._served))

    def on_message_complete(self) -> None:
        """What comes next is the head of another request."""
        super().on_message_complete()
        self._in_body = False
        if self._served is not None and self._served.cycle is self.cycle:
            self._served.complete()

    def _length_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _too_long(self) -> tuple[HTTPStatus, str]:
        limit = self.limits.head_bytes
        if len(self.url) > limit:
            return HTTPStatus.REQUEST_URI_TOO_LONG, f"The URL must be at most {limit} bytes."
        detail = f"The request line and the headers must be at most {limit} bytes."
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail

    def _too_much_beside_body(self) -> tuple[HTTPStatus, str]:
        limit = self.limits.head_bytes
        detail = f"Trailers and extensions of chunks must be at most {limit} bytes."
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._in_body:
            self.transport.close()
            return
        seconds = self.limits.head_seconds
        detail = f"No complete request arrived within {seconds:.0f} seconds."
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, detail)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for bytes that are no HTTP; its message says no more than that."""
        self.refuse(HTTPStatus.BAD_REQUEST, msg)

    def shutdown(self) -> None:
        """Close the connection once it owes nothing more."""
        self.outbox.flush()
        super().shutdown()

    def cut_off(self) -> bool:
        """End the connection, with an answer if none has begun; whether it was owed anything."""
        self.outbox.flush()
        if self._is_answering():
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The server ends; ask again.")
            self.cycle.disconnected = True
            return True
        unsent = self.transport.get_write_buffer_size() > 0
        self.transport.abort()
        return unsent

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer with a problem, unless another answer has begun, and close the connection."""
        self.outbox.flush()
        if not self._is_answering() or not self.cycle.response_started:
            self._count(status)
            body, headers = refusal(status, detail)
            fields = [*self.server_state.default_headers, *headers]
            lines = [b"%b: %b\r\n" % field for field in fields]
            self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self.transport.close()

    def _refusing(self, status: HTTPStatus, detail: str) -> ASGIApp:
        self._count(status)
        return _refusing(status, detail)

    def _count(self, status: HTTPStatus) -> None:
        self.refused[str(status.value)] += 1


def bounded_by(limits: Limits, refused: Counter[str] | None = None) -> type[BoundedProtocol]:
    """The protocol with these limits, which uvicorn makes one of for each connection.

    What it refuses is counted in `refused`.
    """
    counted = Counter[str]() if refused is None else refused
    own = {"limits": limits, "outbox": Outbox(), "line": Line(), "refused": counted}
    return type("BoundedProtocol", (BoundedProtocol,), own)


def _refusing(status: HTTPStatus, detail: str) -> ASGIApp:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        body, headers = refusal(status, detail)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
