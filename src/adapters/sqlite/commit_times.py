"""How long commits took."""

from array import array

import numpy as np

from ...domain.rollup import Rollups

FOLD_AT = 4_096


class CommitTimes:
    """A fold of latencies in ns; adding one costs next to nothing, they are folded in batches."""

    def __init__(self) -> None:
        self._folded = Rollups.none()
        self._new = array("q")

    def add(self, latency_ns: int) -> None:
        """Count one commit."""
        self._new.append(latency_ns)
        if len(self._new) >= FOLD_AT:
            self._fold()

    @property
    def total(self) -> Rollups:
        """Of all commits, as series 0."""
        if self._new:
            self._fold()
        return self._folded

    def _fold(self) -> None:
        latency_ns = np.array(self._new, np.int64)
        self._new = array("q")
        new = Rollups.of(np.zeros(len(latency_ns), np.int64), latency_ns)
        self._folded = Rollups.merged([self._folded, new])
