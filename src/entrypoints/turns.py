"""Who is let in while more comes than can be served: a request that waited too long is refused.

Where all are served, in the end each waits for all before it, and its client has given up.
"""

import time
from collections.abc import Callable

from ..application.errors import Overloaded

PATIENCE_SECONDS = 0.05
CROWD = 64
"""Where no more wait, they are not what makes each other late: the machine was busy otherwise."""


class Line:
    """The requests whose bodies are here, and whose turn has not come yet."""

    def __init__(
        self,
        patience_seconds: float = PATIENCE_SECONDS,
        crowd: int = CROWD,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let in who waited for `patience_seconds` at most, and anybody where no crowd waits."""
        self.patience_seconds = patience_seconds
        self.crowd = crowd
        self.now = now
        self.waiting = 0


class Place:
    """One request's place in the line."""

    __slots__ = ("_is_over", "_line", "_since")

    def __init__(self, line: Line) -> None:
        """Not in line yet."""
        self._line = line
        self._since: float | None = None
        self._is_over = False

    def enter(self) -> None:
        """All of the request is here; one that was answered before that waits for nothing."""
        if self._is_over:
            return
        self._since = self._line.now()
        self._line.waiting += 1

    def take_turn(self) -> None:
        """It is to be worked on now. Raises `Overloaded` where that is too late."""
        line, since = self._line, self._since
        if since is None:
            return
        is_crowded = line.waiting > line.crowd
        self.leave()
        if is_crowded and line.now() - since > line.patience_seconds:
            raise Overloaded("too many requests are waiting for their turn")

    def leave(self) -> None:
        """Wait no more."""
        self._is_over = True
        if self._since is not None:
            self._since = None
            self._line.waiting -= 1
