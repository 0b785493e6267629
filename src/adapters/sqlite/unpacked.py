"""The rollups that were unpacked last: the next question mostly needs the same ones again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from ...domain.rollup import Rollups

MAX_CELLS = 1_500_000
"""Of 16 bytes each, together: some 24 MiB."""
MAX_PACKED_BYTES = 2 * 1024 * 1024
"""What a question takes more of is not kept: there is no room for all of it, so the next such
question would find none of what it looks for first."""


class UnpackedRollups:
    """Keeps the newest, as far as there is room; what does not fit is unpacked each time."""

    def __init__(self, max_cells: int = MAX_CELLS) -> None:
        """Nothing is kept yet."""
        self._max_cells = max_cells
        self._cells = 0
        self._kept: OrderedDict[Hashable, Rollups] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Hashable, unpack: Callable[[], Rollups]) -> Rollups:
        """The rollups of this name, which stands for their content too."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        rollups = unpack()
        with self._lock:
            if name not in self._kept:
                self._kept[name] = rollups
                self._cells += len(rollups.cell)
            while self._cells > self._max_cells:
                self._cells -= len(self._kept.popitem(last=False)[1].cell)
        return rollups
