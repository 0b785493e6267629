"""Stands in for a server that answers as it is told: the statuses that a real one rarely gives."""

import gzip
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from .. import patience
from .ports import free_port

TOKEN = "the token"


class Reply(NamedTuple):
    """One answer; `cut` ends the connection without one, after the body was taken."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    detail: str = ""
    cut: bool = False


class StandIn:
    """A server that keeps what it is sent, once for each key."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.rows: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.keys: set[str] = set()
        self.changed = threading.Condition()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def up(self) -> Iterator[None]:
        """Listen; any number of times, one after the other."""
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.stand_in = self
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def wait(self, samples: int = 0, events: int = 0, requests: int = 0) -> None:
        """Until so many have come."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: (
                    len(self.rows) >= samples
                    and len(self.events) >= events
                    and len(self.requests) >= requests
                ),
                timeout=patience.SECONDS,
            ), (self.rows, self.events, self.requests)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        with self.changed:
            self.requests.append((path, headers))
            reply = self.replies.popleft() if self.replies else Reply()
            if (reply.status == 200 or reply.cut) and headers["idempotency-key"] not in self.keys:
                self.keys.add(headers["idempotency-key"])
                self._keep(path, headers, body)
            self.changed.notify_all()
        return reply

    def _keep(self, path: str, headers: dict[str, str], body: bytes) -> None:
        if path.endswith("/samples"):
            assert headers["content-type"] == "application/x-ndjson"
            assert headers["content-encoding"] == "gzip"
            self.rows += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        else:
            assert path.endswith("/events")
            assert headers["content-type"] == "application/json"
            self.events.append(json.loads(body))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.stand_in.take(self.path, headers, body)
        self.close_connection = reply.cut
        if reply.cut:
            return
        said = json.dumps({"detail": reply.detail}).encode()
        self.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(said)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        return
