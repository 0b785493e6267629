"""How often somebody may be wrong."""

import time
from collections.abc import Callable
from http import HTTPStatus

from .problems import HttpError

MAX_FAILURES = 10
WINDOW_SECONDS = 60
MAX_CLIENTS = 10_000


class TooManyAttempts(HttpError):
    """The client was wrong too often within a minute."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class Attempts:
    """Counts the failures of each client address within a fixed minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Count by `now`, in seconds."""
        self._now = now
        self._minute = 0
        self._failures: dict[str, int] = {}

    def allow(self, client: str) -> None:
        """Raises `TooManyAttempts` with the time to wait."""
        minute, second = divmod(self._now(), WINDOW_SECONDS)
        if minute != self._minute:
            self._minute = int(minute)
            self._failures.clear()
        # A client beyond those that are counted has failed as often as all of those together.
        unknown = MAX_FAILURES if len(self._failures) >= MAX_CLIENTS else 0
        if self._failures.get(client, unknown) >= MAX_FAILURES:
            wait = {"retry-after": str(int(WINDOW_SECONDS - second) + 1)}
            raise TooManyAttempts("Too many wrong tokens came from here: wait a minute.", wait)

    def fail(self, client: str) -> None:
        """Count a failure of a client that was allowed to try."""
        if client in self._failures or len(self._failures) < MAX_CLIENTS:
            self._failures[client] = self._failures.get(client, 0) + 1
