"""Which write the store refused last, and whether one succeeded since."""

import logging
from pathlib import Path

from ...application.errors import StoreUnavailable
from ...application.fault_log import FaultLog
from ...application.ports import Clock

LATELY_NS = 5_000_000_000
"""Above the time between two tries to write the samples that wait."""


class Refusals:
    """Says in the log when the store begins to refuse writes, and when it takes them again."""

    def __init__(self, path: Path, clock: Clock, log: logging.Logger) -> None:
        """Nothing was refused yet."""
        self._path = path
        self._clock = clock
        self._fault_log = FaultLog(log, f"{path}: takes writes again")
        self._last: tuple[int, StoreUnavailable] | None = None

    def add(self, refusal: StoreUnavailable) -> None:
        """The store refused a write."""
        self._last = (self._clock.monotonic(), refusal)
        self._fault_log.met(f"{self._path}: {refusal}")

    def end(self) -> None:
        """The store took an entry."""
        if self._last is not None:
            self._last = None
            self._fault_log.over()

    def check(self) -> None:
        """Raise what was refused of late, unless the store took an entry since.

        A full disk has room for what tries it out, and not for an entry.
        """
        if self._last is not None:
            moment, refusal = self._last
            if self._clock.monotonic() - moment <= LATELY_NS:
                raise refusal
