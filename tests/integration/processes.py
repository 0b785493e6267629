"""Processes that run `opsboard`, started at once: see `warm`."""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from .. import patience
from .warm import END, NUMBER

_WARM = Path(__file__).with_name("warm.py")


class Process:
    """What `subprocess.Popen` has of it, for one that is no child of this process."""

    stdout: IO[str] | None = None

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: Sequence[int]
    ) -> None:
        """Start `opsboard`, or a module, with these files as standard input, output and error."""
        self.returncode: int | None = None
        self._told, tell = os.pipe()
        asked = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
        try:
            socket.send_fds(_warm(), [json.dumps(asked).encode() + END], [*streams, tell])
        finally:
            os.close(tell)
        self.pid = self._number()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, as `subprocess` has it. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not self._has_ended(timeout):
                raise subprocess.TimeoutExpired("opsboard", timeout or 0.0)
            self.returncode = self._number()
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To nobody, if it has ended."""
        if self.returncode is None and not self._has_ended(0):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it now, if it has not ended."""
        self.send_signal(signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        """Whether it has, after so many seconds at most."""
        poll = select.poll()
        poll.register(self._told, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1_000))

    def _number(self) -> int:
        number: int
        (number,) = NUMBER.unpack(os.read(self._told, NUMBER.size))
        return number


@cache
def _warm() -> socket.socket:
    """Where processes are asked for; what makes them ends with this process."""
    ours, theirs = socket.socketpair()
    with theirs:
        made = subprocess.Popen(
            [sys.executable, str(_WARM)], stdin=theirs.fileno(), stdout=subprocess.DEVNULL
        )

    def end() -> None:
        ours.close()
        made.wait(patience.SECONDS)

    atexit.register(end)
    return ours
