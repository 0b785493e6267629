"""The series that are known, each with a number of its own: 0, 1, 2 ... as they appeared."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from .of_each import first_of_each
from .sample import Endpoint, Ints, Label, SeriesKey, SeriesRows
from .seen_times import NEVER_MS, SeenTimes

MAX_DENSE_CELLS = 4 * 1024 * 1024
MAX_GRID_CELLS = 128 * 1024
_UNKNOWN = -1
_NOTHING: Ints = np.empty(0, np.int64)
_Labels: TypeAlias = tuple[Sequence[Endpoint], Sequence[str], Sequence[int]]
_Numbers: TypeAlias = tuple[Ints, Ints, Ints]


class _Newest(NamedTuple):
    """The labels of the newest batch, their numbers, and the id of each series they can make.

    The grid is there from the second batch on that has the very same labels.
    """

    labels: _Labels = ((), (), ())
    numbers: _Numbers = (_NOTHING, _NOTHING, _NOTHING)
    grid: Ints | None = None


class SeriesSeen(msgspec.Struct, omit_defaults=True):
    """A series, and the ends of its first and last sample in ms since 1970.

    Those of its first and last measured histogram stand by themselves: which of the two a service
    sends has to be known. Where there was none, the first is after the last.
    """

    key: SeriesKey
    first_ms: int = NEVER_MS
    last_ms: int = -1
    measured_first_ms: int = NEVER_MS
    measured_last_ms: int = -1

    @property
    def seen_from_ms(self) -> int:
        """When it was first seen, however that was."""
        return min(self.first_ms, self.measured_first_ms)

    @property
    def seen_upto_ms(self) -> int:
        """When it was last seen."""
        return max(self.last_ms, self.measured_last_ms)


class SeriesTable:
    """Numbers series in the order in which a journal names them, so that every fold of it agrees.

    Three small label tables and one dense array find the ids of a whole batch at once: a
    dictionary look-up for each sample would cost more than the rest of the fold. Labels that would
    make the array too large (somebody sends every status code there is) are looked up that way.
    """

    def __init__(self, seen: Iterable[SeriesSeen] = ()) -> None:
        """Start with the series that a store knows, in the order of their ids."""
        self._seen: list[SeriesSeen] = []
        self._times = SeenTimes()
        self.measured: dict[str, int] = {}
        """When the newest histogram of a service ended, in ms; of those that have any."""
        self._ids: dict[SeriesKey, int] = {}
        self._endpoints: dict[Endpoint, int] = {}
        self._methods: dict[str, int] = {}
        self._status_codes: dict[int, int] = {}
        self._dense = np.full((16, 8, 8), _UNKNOWN, np.int32)
        self._newest = _Newest()
        for known in seen:
            self._add(msgspec.structs.replace(known))

    def __len__(self) -> int:
        """How many series are known."""
        return len(self._seen)

    @property
    def seen(self) -> Sequence[SeriesSeen]:
        """Every series by its id, and when it was seen until now."""
        for series, first_ms, last_ms in zip(*self._times.take(), strict=True):
            seen = self._seen[series]
            seen.first_ms, seen.last_ms = first_ms, last_ms
        return self._seen

    def key(self, series: int) -> SeriesKey:
        """The series with this id."""
        return self._seen[series].key

    def find(self, key: SeriesKey) -> int | None:
        """The id of a series; None where it is not known."""
        return self._ids.get(key)

    def ids_of(self, batch: SeriesRows) -> Ints:
        """The series id of each row; a series that was never seen gets the next one."""
        before, newest = self._newest, self._numbered(batch)
        if not self._make_room():
            return self._looked_up(batch)
        if newest is before and newest.grid is None:
            newest = self._with_grid(newest)
        if newest.grid is not None:
            return self._found_in(newest.grid, batch)
        ids = self._found(batch, newest.numbers)
        if len(ids) and int(ids.min()) == _UNKNOWN:
            for row in _first_unknown(ids, batch.series_codes()):
                self._id_at(batch, row)
            ids = self._found(batch, newest.numbers)
        return ids

    def _found_in(self, grid: Ints, batch: SeriesRows) -> Ints:
        """The id of each row's series; the grid has them all from now on."""
        codes = batch.series_codes()
        ids = grid.take(codes)
        if len(ids) and int(ids.min()) == _UNKNOWN:
            for row in _first_unknown(ids, codes):
                grid[codes[row]] = self._id_at(batch, row)
            ids = grid.take(codes)
        return ids

    def _numbered(self, batch: SeriesRows) -> _Newest:
        """The batch's labels with their numbers; batches often have those of the one before."""
        labels = (batch.endpoints, batch.methods, batch.status_codes)
        newest = self._newest
        if any(now is not before for now, before in zip(labels, newest.labels, strict=True)):
            numbers = (
                _numbered(self._endpoints, batch.endpoints),
                _numbered(self._methods, batch.methods),
                _numbered(self._status_codes, batch.status_codes),
            )
            self._newest = newest = _Newest(labels, numbers)
        return newest

    def _with_grid(self, newest: _Newest) -> _Newest:
        """With the id of each series that these labels can make, by its code, if they are few."""
        if math.prod(map(len, newest.labels)) <= MAX_GRID_CELLS:
            grid = self._dense[np.ix_(*newest.numbers)].astype(np.int64).reshape(-1)
            self._newest = newest = newest._replace(grid=grid)
        return newest

    def _found(self, batch: SeriesRows, numbers: _Numbers) -> Ints:
        """What the dense array has for each row."""
        # Once: another thread, which folds, may put a larger one in its place meanwhile.
        dense = self._dense
        endpoint, method, status = numbers
        _, methods, status_codes = dense.shape
        at = (endpoint * (methods * status_codes)).take(batch.endpoint)
        at += (method * status_codes).take(batch.method)
        at += status.take(batch.status)
        return dense.reshape(-1).take(at).astype(np.int64)

    def _looked_up(self, batch: SeriesRows) -> Ints:
        return np.array([self._id_at(batch, i) for i in range(len(batch))], np.int64)

    def _id_at(self, batch: SeriesRows, i: int) -> int:
        """The id of one sample's series."""
        key = batch.key(i)
        if key not in self._ids:
            self._add(SeriesSeen(key))
        return self._ids[key]

    def see(self, ids: Ints, ended_at_ms: Ints) -> None:
        """Note when the series of these samples were seen."""
        if len(ids):
            self._times.see(ids, ended_at_ms)

    def see_measured(self, ids: Ints, ended_at_ms: Ints) -> None:
        """Note when histograms of these series were measured."""
        for series, ended_at in zip(ids.tolist(), ended_at_ms.tolist(), strict=True):
            seen = self._seen[series]
            seen.measured_first_ms = min(seen.measured_first_ms, ended_at)
            seen.measured_last_ms = max(seen.measured_last_ms, ended_at)
            service = seen.key.service
            self.measured[service] = max(self.measured.get(service, -1), ended_at)

    def sampled(self) -> dict[str, int]:
        """When the newest sample of a service ended, in ms; of those that have any."""
        newest: dict[str, int] = {}
        for seen in self.seen:
            service = seen.key.service
            if seen.last_ms > newest.get(service, -1):
                newest[service] = seen.last_ms
        return newest

    def _add(self, seen: SeriesSeen) -> None:
        key = seen.key
        series = self._ids[key] = len(self._seen)
        self._times.add(seen.first_ms, seen.last_ms)
        self._seen.append(seen)
        if seen.measured_last_ms > self.measured.get(key.service, -1):
            self.measured[key.service] = seen.measured_last_ms
        endpoint = Endpoint(key.service, key.route)
        place = (
            self._endpoints.setdefault(endpoint, len(self._endpoints)),
            self._methods.setdefault(key.method, len(self._methods)),
            self._status_codes.setdefault(key.status_code, len(self._status_codes)),
        )
        if self._make_room():
            self._dense[place] = series

    def _make_room(self) -> bool:
        """Double each side that its labels have outgrown; False where that would be too large."""
        counts = (len(self._endpoints), len(self._methods), len(self._status_codes))
        if all(count <= size for count, size in zip(counts, self._dense.shape, strict=True)):
            return True
        grown = [
            max(size, 1 << max(count - 1, 0).bit_length())
            for count, size in zip(counts, self._dense.shape, strict=True)
        ]
        if math.prod(grown) > MAX_DENSE_CELLS:
            return False
        dense = np.full(grown, _UNKNOWN, np.int32)
        dense[tuple(map(slice, self._dense.shape))] = self._dense
        self._dense = dense
        return True


def _first_unknown(ids: Ints, codes: Ints) -> list[int]:
    """Of the rows without an id, the first of each series, in the order of the rows."""
    rows = np.flatnonzero(ids == _UNKNOWN)
    first: list[int] = rows[first_of_each(codes[rows])].tolist()
    return first


def _numbered(known: dict[Label, int], labels: Sequence[Label]) -> Ints:
    """The number of each label, a new one where there was none."""
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)
