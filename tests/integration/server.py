"""A real server: its own process, a real file, a real socket."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

OPSBOARD = str(Path(sys.executable).with_name("opsboard"))
TOKEN = "a-token-for-tests"
_ADDRESS = re.compile(r"on (http://\S+)")


def environment(**settings: str) -> dict[str, str]:
    """This process' environment, with no setting of opsboard's but these."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
    return rest | settings


def run(*arguments: str, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """One command, to its end."""
    return subprocess.run(
        [OPSBOARD, *arguments],
        input=stdin,
        capture_output=True,
        env=environment(**settings),
        timeout=60,
        check=False,
    )


class Server:
    """A started server, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], said: list[str]) -> None:
        self.process = process
        self.said = said
        match = _ADDRESS.search(said[-1])
        assert match is not None, said
        self.url = match[1]
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

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
        return self.process.wait(timeout=60)


@contextmanager
def serving(
    store: str, *flags: str, wrapper: Sequence[str] = (), **settings: str
) -> Iterator[Server]:
    """A server over `store`, ready for requests; killed at the end unless it ended itself.

    `wrapper` is a command that becomes the server, such as one that limits it.
    """
    chosen = {"OPS_API_TOKEN": TOKEN, "OPS_STORE": store} | settings
    with subprocess.Popen(
        [*wrapper, OPSBOARD, "serve", "--port", "0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**{name: value for name, value in chosen.items() if value}),
    ) as process:
        try:
            server = Server(process, _until_ready(process))
            with server.client:
                yield server
        finally:
            process.kill()


def _until_ready(process: subprocess.Popen[str]) -> list[str]:
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if _ADDRESS.search(line):
            return said
    raise AssertionError(f"the server ended: {said}")
