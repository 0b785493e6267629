"""Server processes, each on a free port, started and stopped for a benchmark."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from .load import HOST

TOKEN = "benchmark"  # noqa: S105
START_SECONDS = 30.0
STOP_SECONDS = 60.0

COMMAND = "from opsboard.entrypoints.cli import main; main()"
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Server:
    """A running server, and when its start began (`time.perf_counter`)."""

    pid: int
    port: int
    started_at: float

    def get(self, path: str) -> bytes:
        """The body at `path`. Raises `RuntimeError` for anything but 200."""
        connection = HTTPConnection(HOST, self.port, timeout=START_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:  # noqa: PLR2004
            raise RuntimeError(f"{path} was answered with {response.status}: {body!r}")
        return body

    def cpu_seconds(self) -> float:
        """How much processor time all threads of the process have taken, on Linux."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self, *, at_most: bool = False) -> float:
        """How much memory the process holds, or held at most.

        Raises `RuntimeError` where Linux does not say.
        """
        name = "VmHWM" if at_most else "VmRSS"
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"process {self.pid} tells no {name}")
        return int(found[1]) / 1024


@contextmanager
def opsboard_server(folder: Path) -> Iterator[Server]:
    """`opsboard serve` with a SQLite store in `folder`, however old what it holds."""
    store = f"sqlite:///{folder / 'ops.db'}"
    serve = ["serve", "--port", "0", "--store", store, "--retention", "forever"]
    with _server(["-c", COMMAND, *serve]) as server:
        yield server


@contextmanager
def unstored_server(_: Path) -> Iterator[Server]:
    """`opsboard serve` whose journal keeps nothing."""
    serve = ["serve", "--port", "0", "--store", "memory:"]
    with _server(["-m", "benchmarks.unstored", *serve]) as server:
        yield server


@contextmanager
def fastapi_server(folder: Path) -> Iterator[Server]:
    """FastAPI with a commit for each event, in a SQLite file in `folder`."""
    with _server(["-m", "benchmarks.fastapi_peer", str(folder / "peer.db")]) as server:
        yield server


@contextmanager
def _server(arguments: Sequence[str]) -> Iterator[Server]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPS_")}
    started_at = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "OPS_API_TOKEN": TOKEN},
    )
    try:
        yield Server(process.pid, _announced_port(process), started_at)
    finally:
        _stop(process)


def _announced_port(process: subprocess.Popen[str]) -> int:
    overdue = threading.Timer(START_SECONDS, process.kill)
    overdue.start()
    try:
        for line in process.stdout or ():
            if found := _ADDRESS.search(line):
                return int(found[1])
    finally:
        overdue.cancel()
    raise RuntimeError(f"the server {process.args!r} ended without telling its address")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
