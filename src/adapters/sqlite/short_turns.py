"""Turns of the interpreter's lock, where a connection's thread waits for it."""

import os
import sys
from threading import Lock

SECONDS = 100e-6
"""How long a thread asks for the lock until it is given: Python's own is 5 ms."""
_HALF_A_MICROSECOND = 0.5e-6


class _ShortTurns:
    """Makes turns short while anything is asked of a connection, in this whole process.

    A busy loop lets go of the lock at each of its turns and takes it back at once. That wakes the
    thread, too late, and its 5 ms begin anew: it may wait for seconds, and each turn of the loop
    pays for waking it.
    """

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._start_over()

    def _start_over(self) -> None:
        self._lock = Lock()
        self._wanted = 0
        self._usual = self._short = 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                self._usual = sys.getswitchinterval()
                _set(min(self._usual, SECONDS))
                self._short = sys.getswitchinterval()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                self._restore()

    def _restore(self) -> None:
        """Unless somebody chose another interval meanwhile."""
        if sys.getswitchinterval() == self._short:
            _set(self._usual)

    def after_fork(self) -> None:
        """The threads that were asked are those of the parent."""
        if self._wanted:
            self._restore()
        self._start_over()


def _set(seconds: float) -> None:
    """Python cuts off what is less than a microsecond: what it has given would become less."""
    sys.setswitchinterval(seconds + _HALF_A_MICROSECOND)


short_turns = _ShortTurns()
"""`with short_turns:` around whatever waits for a connection's thread."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=short_turns.after_fork)
