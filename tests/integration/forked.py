"""What a fork of a test's own process does; it has none of that process' threads."""

import os
import signal
from collections.abc import Callable

from .. import patience


def forked(work: Callable[[], None]) -> int:
    """The exit status of a fork that did the work: 0, or 1 where that raised."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    try:
        return patience.eventually(lambda: _ended(child), "it never ended")[0]
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        raise


def _ended(child: int) -> list[int]:
    """Its exit status, once it has one."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return [os.waitstatus_to_exitcode(status)] if pid else []
