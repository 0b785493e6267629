"""Who is let in while more comes than can be served: a request that waited too long is refused.

Where all are served, in the end each waits for all before it, and its client has given up.
"""

import asyncio
import time
from collections.abc import Callable

from ..application.errors import Overloaded

PATIENCE_SECONDS = 0.05
CROWD = 64
"""Where no more wait, they are not what makes each other late: the machine was busy otherwise."""
SHARE_SECONDS = 0.005
"""What is begun in one turn of the event loop: an answer takes several, for the commit and back."""
REFUSED_AFTER_SECONDS = 1.0
"""Who is refused at once asks again at once: to say no to him takes what others could have had."""


class Line:
    """The requests whose bodies are here, and whose turn has not come yet."""

    def __init__(
        self,
        patience_seconds: float = PATIENCE_SECONDS,
        crowd: int = CROWD,
        share_seconds: float = SHARE_SECONDS,
        refused_after_seconds: float = REFUSED_AFTER_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let in who waited for `patience_seconds` at most, and anybody where no crowd waits.

        In each turn of the loop, only for `share_seconds`; the others wait for the next one.
        """
        self.patience_seconds = patience_seconds
        self.crowd = crowd
        self.share_seconds = share_seconds
        self.refused_after_seconds = refused_after_seconds
        self.now = now
        self.waiting = 0
        self._turn_began: float | None = None

    def has_room(self) -> bool:
        """Whether one more can be let in during this turn of the loop."""
        if self._turn_began is None:
            self._turn_began = self.now()
            asyncio.get_running_loop().call_soon(self._end_turn)
            return True
        return self.now() - self._turn_began <= self.share_seconds

    def _end_turn(self) -> None:
        self._turn_began = None


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

    async def take_turn(self) -> None:
        """Wait until it is to be worked on. Raises `Overloaded` where that would be too late."""
        if self._since is None:
            return
        try:
            while not self._is_too_late(self._since):
                if self._line.has_room():
                    return
                await asyncio.sleep(0)
        finally:
            self.leave()
        await asyncio.sleep(self._line.refused_after_seconds)
        raise Overloaded("too many requests are waiting for their turn")

    def _is_too_late(self, since: float) -> bool:
        line = self._line
        return line.waiting > line.crowd and line.now() - since > line.patience_seconds

    def leave(self) -> None:
        """Wait no more."""
        self._is_over = True
        if self._since is not None:
            self._since = None
            self._line.waiting -= 1
