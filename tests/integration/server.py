"""A real server: its own process, a real file, a real socket."""

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess, Popen
from tempfile import TemporaryFile
from typing import IO

import httpx

from .. import patience
from . import plain_http, warm
from .processes import Process

OPSBOARD = str(Path(sys.executable).with_name("opsboard"))
TOKEN = "a-token-for-tests"
_ADDRESS = re.compile(r"on (http://\S+)")


def environment(**settings: str) -> dict[str, str]:
    """This process' environment, with no setting of opsboard's but these."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
    return rest | settings


def run(*arguments: str, stdin: bytes = b"", **settings: str) -> CompletedProcess[bytes]:
    """One command, to its end."""
    with TemporaryFile() as output, TemporaryFile() as errors:
        reading, writing = os.pipe()
        with (
            os.fdopen(writing, "wb") as typed,
            os.fdopen(reading, "rb") as read,
            suppress(BrokenPipeError),
        ):
            streams = (read.fileno(), output.fileno(), errors.fileno())
            process = Process((warm.OPSBOARD, *arguments), environment(**settings), streams)
            read.close()
            typed.write(stdin)
        status = process.wait(patience.SECONDS)
        for said in (output, errors):
            said.seek(0)
        return CompletedProcess(arguments, status, output.read(), errors.read())


class Server:
    """A started server, and a client of it."""

    def __init__(self, process: Process | Popen[str], stdout: IO[str]) -> None:
        """Wait until it says that it answers."""
        self.process = process
        self.process.stdout = stdout
        self.said: list[str] = []
        while not self.said or not _ADDRESS.search(self.said[-1]):
            line = stdout.readline()
            assert line, f"the server ended: {self.said}"
            self.said.append(line)
        match = _ADDRESS.search(self.said[-1])
        assert match is not None
        self.url = match[1]
        self.client = plain_http.client(self.url)

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    def post_event(
        self, headers: Mapping[str, str] | None = None, **body: object
    ) -> httpx.Response:
        said = {"level": "INFO", "type": "OPS", "message": "hi", **body}
        return self.client.post(
            "/events", json=said, headers={"X-Ops-Token": TOKEN, **(headers or {})}
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(patience.SECONDS)


@contextmanager
def serving(
    store: str,
    *flags: str,
    wrapper: Sequence[str] = (),
    errors: IO[bytes] | None = None,
    **settings: str,
) -> Iterator[Server]:
    """A server over `store`, ready for requests; killed at the end unless it ended itself.

    `wrapper` is a command that becomes the server, such as one that limits it; `errors` takes its
    standard error, which otherwise comes with its output.
    """
    chosen = {"OPS_API_TOKEN": TOKEN, "OPS_STORE": store} | settings
    chosen = {name: value for name, value in chosen.items() if value}
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdout, Path(os.devnull).open() as nothing:
        streams = (nothing.fileno(), writing, errors.fileno() if errors else writing)
        command = ("serve", "--port", "0", *flags)
        try:
            process = _started(wrapper, command, environment(**chosen), streams)
        finally:
            os.close(writing)
        try:
            server = Server(process, stdout)
            with server.client:
                yield server
        finally:
            process.kill()
            process.wait(patience.SECONDS)


def _started(
    wrapper: Sequence[str],
    command: Sequence[str],
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
) -> Process | Popen[str]:
    if not wrapper:
        return Process((warm.OPSBOARD, *command), environment, streams)
    stdin, stdout, stderr = streams
    whole = [*wrapper, OPSBOARD, *command]
    return Popen(whole, stdin=stdin, stdout=stdout, stderr=stderr, text=True, env=environment)
