"""The real SDKs of OpenTelemetry, with nothing but their standard settings."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .. import patience
from ..documentation import ROOT
from ..patience import eventually
from . import plain_http
from .server import TOKEN, Server, serving

BIN = Path(sys.executable).parent
JAVASCRIPT = Path(__file__).parent / "clients" / "javascript"
ASKED = [("/cart/1", 200), ("/cart/2", 200), ("/cart/13", 500), ("/nothing", 404)]
ROWS = {("(unmatched)", 404, 1), ("{cart}", 200, 2), ("{cart}", 500, 1)}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('clients') / 'ops.db'}") as server:
        yield server


def settings(endpoint: str, service: str, **more: str) -> dict[str, str]:
    """The environment of an app, by the names that OpenTelemetry's specification has."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    said = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=1.4.2,deployment.environment.name=production",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "otlp",
        # Seconds to Python's SDK, milliseconds to JavaScript's: both more than it needs.
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60000",
    }
    return rest | said | more


def rows(server: Server, service: str, cart: str) -> set[tuple[str, int, int]]:
    """The series of a service; `cart` is how its framework writes the route of the cart."""
    found = server.client.get("/metrics", params={"service": service}).json()["requests"]
    return {(r["route"].replace(cart, "{cart}"), r["status_code"], r["count"]) for r in found}


def events(server: Server, service: str, type: str) -> list[dict[str, Any]]:
    asked = {"service": service, "type": type}
    found: list[dict[str, Any]] = server.client.get("/events", params=asked).json()
    return found


def ask(app: str) -> None:
    """Ask for everything; the app listens already, and answers as soon as it has started."""
    for path, status in ASKED:
        with plain_http.client(app) as client:
            assert client.get(path).status_code == status


@contextmanager
def running(app: str, environment: dict[str, str]) -> Iterator[str]:
    """An app in a process of its own, at an address; it ends as a supervisor ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [
            str(BIN / "uvicorn"),
            "--fd",
            str(listener.fileno()),
            f"tests.integration.clients.{app}",
        ]
        with subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=patience.SECONDS)
            finally:
                process.kill()


class LossyProxy(ThreadingHTTPServer):
    """Hands every request on, and loses the first answer of each path: it says 503 instead."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Lossy)
        self.target = target
        self.bodies: Counter[tuple[str, bytes]] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def resent(self) -> set[str]:
        """The paths of which a request came again, byte for byte but for its compression."""
        return {path for (path, _), times in self.bodies.items() if times > 1}


class _Lossy(BaseHTTPRequestHandler):
    server: LossyProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        with plain_http.client(self.server.target) as client:
            answer = client.post(self.path, content=body, headers=headers)
        # The first ten bytes of a gzip hold the time at which it was made.
        self.server.bodies[self.path, body[10:]] += 1
        lost = not any(
            path == self.path and times > 1 for (path, _), times in self.server.bodies.items()
        )
        self.send_response(503 if lost else answer.status_code)
        self.send_header("retry-after", "1")
        self.send_header("content-type", answer.headers["content-type"])
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(receiver: Server) -> Iterator[LossyProxy]:
    with LossyProxy(receiver.url) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_the_python_sdk_and_answers_that_get_lost(receiver: Server, proxy: LossyProxy) -> None:
    service = "instrumented"
    with running("instrumented:app", settings(proxy.url, service)) as app:
        ask(app)
        eventually(lambda: rows(receiver, service, "/cart/{id}") == ROWS, "samples are missing")
        eventually(lambda: proxy.resent == {"/v1/traces", "/v1/logs"}, "nothing was sent again")
        eventually(lambda: len(events(receiver, service, "LOG")) == 2, "log records are missing")
    assert rows(receiver, service, "/cart/{id}") == ROWS
    (failed,) = events(receiver, service, "EXCEPTION")
    assert failed["message"] == "ValueError: no such cart"
    assert failed["meta"]["exception.type"] == "ValueError"
    assert failed["meta"]["http.route"] == "/cart/{id}"
    assert failed["meta"]["service.version"] == "1.4.2"
    newest, first = events(receiver, service, "LOG")
    assert (first["level"], first["message"]) == ("WARN", "cart 1 is nearly full")
    assert first["meta"]["items"] == 99
    assert first["meta"]["otel.scope.name"] == "shop"
    assert first["meta"]["trace_id"] != newest["meta"]["trace_id"]


def test_fastapi_sends_by_itself(receiver: Server) -> None:
    service = "plain"
    environment = settings(receiver.url, service, FASTAPI_OTEL_AUTO_CONFIGURE="true")
    with running("plain:app", environment) as app:
        ask(app)
        eventually(lambda: rows(receiver, service, "/cart/{id}") == ROWS, "samples are missing")
        eventually(lambda: events(receiver, service, "EXCEPTION"), "the exception is missing")
    (failed,) = events(receiver, service, "EXCEPTION")
    assert failed["meta"]["exception.message"] == "no such cart"


@pytest.fixture(scope="module")
def installed() -> None:
    """What the lock file names is installed, once."""
    done = JAVASCRIPT / "node_modules" / ".package-lock.json"
    if (
        not done.exists()
        or done.stat().st_mtime < (JAVASCRIPT / "package-lock.json").stat().st_mtime
    ):
        environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        subprocess.run(
            [BIN / "npm", "ci"],
            cwd=JAVASCRIPT,
            env=environment,
            check=True,
            timeout=patience.SECONDS,
        )
        done.touch()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
def test_the_javascript_sdk(receiver: Server, protocol: str) -> None:
    environment = settings(receiver.url, protocol, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    subprocess.run(
        [BIN / "node", JAVASCRIPT / "shop.cjs"],
        env=environment,
        check=True,
        timeout=patience.SECONDS,
    )
    assert rows(receiver, protocol, "/cart/:id") == ROWS
    (failed,) = events(receiver, protocol, "EXCEPTION")
    assert failed["message"] == "RangeError: no such cart"
    assert failed["meta"]["http.route"] == "/cart/:id"
    assert failed["meta"]["exception.stacktrace"].startswith("RangeError: no such cart\n    at ")
    logged = events(receiver, protocol, "LOG")
    assert [event["message"] for event in logged] == ["the cart is nearly full"] * 2
    assert logged[0]["meta"]["path"] == ["a", "b"]
