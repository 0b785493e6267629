"""Rounds of starting, writing and killing."""

import random
import subprocess
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

from ..load import HOST
from ..processes import Server
from .client import Clients, Ledger
from .subject import Subject

START_SECONDS = 120.0
POLL_SECONDS = 0.002


class Killing:
    """A subject that is killed again and again while it is written; killed at the end anyway."""

    def __init__(self, subject: Subject, port: int, seed: int) -> None:
        """The moments are those of this `seed`, in acknowledgements."""
        self.ledger = Ledger()
        self.clients = Clients(subject, port, self.ledger)
        self._subject = subject
        self._port = port
        self._random = random.Random(seed)  # noqa: S311 - nobody has to be surprised
        self._process: subprocess.Popen[bytes] | None = None
        self._said = TemporaryFile()  # noqa: SIM115 - it lasts as long as this

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        self.kill()
        self._said.close()

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self) -> float:
        """Start it, and wait until it takes writes; how many seconds that took.

        Raises `RuntimeError` where it does not come up.
        """
        started = time.perf_counter()
        process = self._spawn()
        while process.poll() is None and time.perf_counter() - started < START_SECONDS:
            if self._is_ready():
                seconds = time.perf_counter() - started
                self._subject.prepare()
                return seconds
            time.sleep(POLL_SECONDS)
        self.kill()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        raise RuntimeError(f"{self._subject.name} did not start ({process.returncode}): {said}")

    def cpu_seconds(self) -> float:
        """How much processor time it took by now: whatever else the machine did, on Linux."""
        assert self._process is not None
        return Server(self._process.pid, self._port, 0).cpu_seconds()

    def kill_while_starting(self, within: float) -> None:
        """Start it, and kill it before it is ready, or just then: within so many seconds."""
        process = self._spawn()
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._random.uniform(0, within))
        self.kill()

    def write_and_kill(self, least: int, most: int) -> None:
        """Write, and kill it after so many acknowledgements, or as many as there are by then.

        Few are as likely as many: the logarithm of their number is evenly spread.
        """
        fatal = len(self.ledger.acknowledged)
        fatal += int(least * (most / least) ** self._random.random())

        def kill_at_last() -> None:
            if len(self.ledger.acknowledged) == fatal and self._process is not None:
                self._process.kill()

        self.ledger.on_acknowledged = kill_at_last
        self.clients.write_until_killed()
        self.kill()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self.kill()
        self._said.seek(0)
        self._said.truncate()
        self._process = subprocess.Popen(
            self._subject.command(), stdout=self._said, stderr=subprocess.STDOUT
        )
        return self._process

    def _is_ready(self) -> bool:
        connection = HTTPConnection(HOST, self._port, timeout=START_SECONDS)
        try:
            connection.request("GET", self._subject.ready_path)
            return connection.getresponse().status in {200, 204}
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
