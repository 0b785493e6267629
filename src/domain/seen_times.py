"""When the samples of each series ended: a fold over columns, of which objects are made when asked.

For a thousand series, writing into an object of each would be a sixth of folding their samples.
"""

import numpy as np

from .of_each import greatest_of_each, least_of_each
from .sample import Ints

NEVER_MS = 1 << 62

_ROOM = 64


class SeenTimes:
    """The first and the last end of each series by its id, in ms since 1970.

    Where there was none, the first is after the last. One thread sees; any may take.
    """

    def __init__(self) -> None:
        """Of no series yet."""
        self._count = 0
        self._first_ms = np.full(_ROOM, NEVER_MS)
        self._last_ms = np.full(_ROOM, -1)
        self._is_new = np.zeros(_ROOM, np.bool_)

    def add(self, first_ms: int, last_ms: int) -> None:
        """One more series, which was seen then; that is not taken."""
        at = self._count
        if at == len(self._first_ms):
            self._first_ms = np.append(self._first_ms, np.full(at, NEVER_MS))
            self._last_ms = np.append(self._last_ms, np.full(at, -1))
            self._is_new = np.append(self._is_new, np.zeros(at, np.bool_))
        self._first_ms[at], self._last_ms[at] = first_ms, last_ms
        self._count = at + 1

    def see(self, ids: Ints, ended_at_ms: Ints) -> None:
        """Note samples, one or more, of series with these ids."""
        count = self._count
        first_ms, last_ms = self._first_ms[:count], self._last_ms[:count]
        newest = greatest_of_each(ids, ended_at_ms, count)
        present = np.flatnonzero(newest >= 0)
        last_ms[present] = np.maximum(last_ms[present], newest[present])
        # Mostly there is no need to look closer: what ends now was seen before.
        if int(first_ms[present].max()) > int(ended_at_ms.min()):
            np.minimum(first_ms, least_of_each(ids, ended_at_ms, count), out=first_ms)
        self._is_new[present] = True

    def take(self) -> tuple[list[int], list[int], list[int]]:
        """Ids, first and last ends of the series that were seen since the last time."""
        ids = np.flatnonzero(self._is_new)
        # Before they are read: what is seen meanwhile is taken again.
        self._is_new[ids] = False
        return ids.tolist(), self._first_ms[ids].tolist(), self._last_ms[ids].tolist()
