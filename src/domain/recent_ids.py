"""Which ids were seen of late: exact, in bounded memory, eight bytes a place."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .sample import Ints

Mask = npt.NDArray[np.bool_]

FIRST_PLACES = 1 << 14
MOST_PLACES = 1 << 21
GROWTH = 8
LARGE_TABLES = 3
"""As many of the largest tables are kept, 48 MiB: two of them are full, a million ids each."""

GROUP = 8
"""Places that are looked at together: 64 bytes."""

_FREE = 0
_NEXT_GROUPS = np.arange(1, 5)


class RecentIds:
    """Remembers 64-bit ids for `lifetime` ns after they were added, the last two million anyway.

    Where more come within a lifetime, the oldest go first. Ids have to be spread evenly, as hashes
    are. They lie in tables that are filled one after the other, each half at most, so nothing is
    ever moved: a table that grows would hold everything up while it does.
    """

    def __init__(
        self, lifetime: int, *, first_places: int = FIRST_PLACES, most_places: int = MOST_PLACES
    ) -> None:
        """Know none; tables have `first_places` places at first, and at most `most_places`.

        Both are powers of two, of at least eight.
        """
        self._lifetime = lifetime
        self._most_places = most_places
        self._tables = [_Table(first_places, 0)]

    def __len__(self) -> int:
        """How many ids are remembered."""
        return sum(table.count for table in self._tables)

    def known(self, ids: Ints) -> Mask:
        """For each id, whether it is remembered."""
        ids = _never_free(ids)
        found = self._tables[-1].known(ids)
        for table in self._tables[:-1]:
            found |= table.known(ids)
        return found

    def add(self, ids: Ints, now: int) -> None:
        """Remember these, which differ and are not known, from `now` on (ns, never falling)."""
        ids = _never_free(ids)
        while len(self._tables) > 1 and now - self._tables[0].newest >= self._lifetime:
            del self._tables[0]
        while len(ids):
            table = self._tables[-1]
            if not table.room:
                table = self._next_table(now)
            taken, ids = ids[: table.room], ids[table.room :]
            table.add(taken, now)

    def _next_table(self, now: int) -> "_Table":
        table = _Table(min(self._most_places, GROWTH * self._tables[-1].places), now)
        self._tables.append(table)
        while sum(t.places for t in self._tables) > LARGE_TABLES * self._most_places:
            del self._tables[0]
        return table


def _never_free(ids: Ints) -> Ints:
    """The ids; the one that stands for a free place is told from none."""
    return np.where(ids == _FREE, 1, ids)


class _Table:
    """A hash table with open addressing, at most half full, asked for many ids at once.

    Its places lie in groups, each as large as what the processor fetches at once. A group is filled
    from its start, so one whose last place is free holds all that belong there.
    """

    def __init__(self, places: int, now: int) -> None:
        self._places = np.full(places, _FREE, np.int64)
        self._groups = self._places.reshape(-1, GROUP)
        self._last = len(self._groups) - 1
        self.count = 0
        self.newest = now

    @property
    def places(self) -> int:
        return len(self._places)

    @property
    def room(self) -> int:
        return len(self._places) // 2 - self.count

    def known(self, ids: Ints) -> Mask:
        at = ids & self._last
        there = self._groups.take(at, 0)
        found = _any_of_group(there == ids[:, np.newaxis])
        asked = np.flatnonzero((there[:, -1] != _FREE) & ~found)
        while len(asked):
            # Few ids, so several groups of each: an id is the same one wherever it lies.
            next_groups = (at[asked, np.newaxis] + _NEXT_GROUPS) & self._last
            there = self._groups[next_groups]
            here = (there == ids[asked, np.newaxis, np.newaxis]).any((1, 2))
            found[asked] = here
            at[asked] += len(_NEXT_GROUPS)
            asked = asked[(there[:, :, -1] != _FREE).all(1) & ~here]
        return found

    def add(self, ids: Ints, now: int) -> None:
        self.count += len(ids)
        self.newest = now
        at = ids & self._last
        while len(ids):
            free = self._groups[at] == _FREE
            fits, place = free[:, -1], at * GROUP + free.argmax(1)
            self._places[place[fits]] = ids[fits]
            # Of several that found the same place free, the last one has it.
            homeless = self._places[place] != ids
            at = np.where(fits, at, (at + 1) & self._last)[homeless]
            ids = ids[homeless]


def _any_of_group(masks: Mask) -> Mask:
    """Whether any of the eight in each row holds: eight bytes, looked at as one number."""
    some: Mask = masks.view(np.int64)[:, 0] != 0
    return some


def as_ids(values: Iterable[bytes]) -> Ints:
    """A 64-bit id for each value: its hash, which nobody outside this process can foresee."""
    return np.fromiter(map(hash, values), np.int64)


def ids_of_rows(rows: npt.NDArray[np.uint64]) -> Ints:
    """`as_ids` of each row's bytes."""
    together = np.ascontiguousarray(rows).view(f"V{rows.itemsize * rows.shape[1]}")
    return as_ids(together.ravel().tolist())
