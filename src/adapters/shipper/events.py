"""Events that wait: bounded, and taken from any thread."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
Pending: TypeAlias = Callable[[], Fields]
"""Makes an event when it is about to be carried."""

MAX_WAITING_EVENTS = 1_000

_log = logging.getLogger(__name__)


class WaitingEvents:
    """A bounded queue of events; what is past the bound is dropped, and counted."""

    def __init__(self, limit: int = MAX_WAITING_EVENTS) -> None:
        """Keep at most `limit` waiting."""
        self._limit = limit
        self.renew()

    def renew(self) -> None:
        """Forget what waits, as a forked process must: it waits in its parent too."""
        self._waiting: deque[Pending] = deque()
        self._dropped = 0
        self._lock = threading.RLock()

    def put(self, event: Pending) -> None:
        """Take an event, where there is room for it."""
        with self._lock:
            if len(self._waiting) < self._limit:
                self._waiting.append(event)
            else:
                self._dropped += 1

    def refuse(self) -> None:
        """Count an event that has no place, whatever room there is."""
        with self._lock:
            self._dropped += 1

    def take(self) -> Fields | None:
        """Remove the oldest event, and make it; one that can not be made counts as dropped."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                event = self._waiting.popleft()
            try:
                return event()
            except Exception:  # noqa: BLE001 - whoever said it is gone
                _log.exception("an event was dropped")
                self.refuse()

    def take_dropped(self) -> int:
        """How many were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)
