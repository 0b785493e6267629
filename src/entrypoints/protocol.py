"""HTTP/1.1 on one connection: what uvicorn does, within bounds of time, size and number."""

import asyncio
import resource
from collections import Counter
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar, cast
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ..adapters.http.middleware import ASGIApp, Receive, Scope, Send
from ..adapters.http.problems import refusal
from .one_write import OneWriteCycle, Outbox
from .turns import Line

MAX_CONNECTIONS = 4_096
MAX_FILES = 16_384
KNOWN_URLS = 256
KNOWN_URL_BYTES = 256
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
    cycle: OneWriteCycle
    """The newest."""
    _served: OneWriteCycle | None = None
    _idle_since: float | None = None
    """When the last answer was complete, if nothing came since."""
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
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if self._served is not None and not self._served.response_complete:
            self._served.disconnected = True
            self._served.wake()
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
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head, or a trailer."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A head is complete: answer it, or refuse it where it is too long or too many are here."""
        self._expect_nothing()
        self._in_body = True
        self._bytes_beside_body = 0
        received, self._head_bytes = self._head_bytes, 0
        app = self._app_of_head(received)
        before, self.cycle = self.cycle, self._new_cycle()
        # What comes now are trailers, which must not pass for headers (RFC 9110, 6.5.1).
        self.headers = []
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, cast(Any, app))
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, cast(Any, app)))

    def _app_of_head(self, received: int) -> ASGIApp:
        """The app, or what refuses this request in its place."""
        if received > self.limits.head_bytes and self._length_of_head() > self.limits.head_bytes:
            return self._refusing(*self._too_long())
        if max(len(self.connections), len(self.tasks)) > self.limits.answered:
            detail = "Too many connections are open."
            return self._refusing(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        if fault := self._fault_of_head():
            return self._refusing(HTTPStatus.BAD_REQUEST, fault)
        return cast(ASGIApp, self.app)

    def _new_cycle(self) -> OneWriteCycle:
        parser, url = self.parser, self.url
        path, raw_path, query = _target(url) if len(url) <= KNOWN_URL_BYTES else parse_target(url)
        version = parser.get_http_version()
        scope: Scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": parser.get_method().decode("ascii"),
            "root_path": "",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        # After an upgrade that was asked for the parser takes what follows for no HTTP.
        keep_alive = version != "1.0" and parser.should_keep_alive() and not parser.should_upgrade()
        return OneWriteCycle(scope, self, self.outbox, self.line, keep_alive=keep_alive)

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
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.wake()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cast(OneWriteCycle, cycle)
        self.tasks.add(self.loop.create_task(cycle.run_asgi(app)))

    def on_message_complete(self) -> None:
        """What comes next is the head of another request."""
        self._in_body = False
        if not self.cycle.response_complete:
            self.cycle.complete()

    def on_response_complete(self) -> None:
        """Go on with a request that waits for this one, or give the client time for another."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._end_when_idle_for(self.timeout_keep_alive)

    def _end_when_idle_for(self, seconds: float) -> None:
        """One timer for many requests: to start one anew after each takes a twentieth of it."""
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, if nothing came since the last answer and long enough ago."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._end_when_idle_for(left)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Something came: uvicorn stops its timer."""
        self._idle_since = None

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


def parse_target(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, raw path and query string. Raises `httptools.HttpParserError`."""
    parsed = httptools.parse_url(url)
    raw_path: bytes = parsed.path
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, parsed.query or b""


_target = lru_cache(KNOWN_URLS)(parse_target)


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
