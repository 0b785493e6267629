"""The series that are known, each with a number of its own: 0, 1, 2 ... as they appeared."""

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from .sample import Endpoint, Ints, Label, SeriesKey, SeriesRows

MAX_DENSE_CELLS = 4 * 1024 * 1024
NEVER_MS = 1 << 62

_UNKNOWN = -1
_NOTHING: Ints = np.empty(0, np.int64)
_Labels: TypeAlias = tuple[Sequence[Endpoint], Sequence[str], Sequence[int]]
_Numbers: TypeAlias = tuple[Ints, Ints, Ints]


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
        self.seen: list[SeriesSeen] = []
        self.measured: dict[str, int] = {}
        """When the newest histogram of a service ended, in ms; of those that have any."""
        self._ids: dict[SeriesKey, int] = {}
        self._endpoints: dict[Endpoint, int] = {}
        self._methods: dict[str, int] = {}
        self._status_codes: dict[int, int] = {}
        self._dense = np.full((16, 8, 8), _UNKNOWN, np.int32)
        self._newest: tuple[_Labels, _Numbers] = (((), (), ()), (_NOTHING, _NOTHING, _NOTHING))
        for known in seen:
            self._add(msgspec.structs.replace(known))

    def __len__(self) -> int:
        """How many series are known."""
        return len(self.seen)

    def key(self, series: int) -> SeriesKey:
        """The series with this id."""
        return self.seen[series].key

    def find(self, key: SeriesKey) -> int | None:
        """The id of a series; None where it is not known."""
        return self._ids.get(key)

    def ids_of(self, batch: SeriesRows) -> Ints:
        """The series id of each row; a series that was never seen gets the next one."""
        numbers = self._numbers_of(batch)
        if not self._make_room():
            return self._looked_up(batch)
        ids = self._found(batch, numbers)
        if len(ids) and int(ids.min()) == _UNKNOWN:
            for i in _first_of_each(batch, np.flatnonzero(ids == _UNKNOWN)):
                self._id_at(batch, i)
            ids = self._found(batch, numbers)
        return ids.astype(np.int64)

    def _numbers_of(self, batch: SeriesRows) -> _Numbers:
        """The numbers of the batch's labels; batches often have those of the one before."""
        labels = (batch.endpoints, batch.methods, batch.status_codes)
        known, numbers = self._newest
        if any(now is not before for now, before in zip(labels, known, strict=True)):
            numbers = (
                _numbered(self._endpoints, batch.endpoints),
                _numbered(self._methods, batch.methods),
                _numbered(self._status_codes, batch.status_codes),
            )
            self._newest = labels, numbers
        return numbers

    def _found(self, batch: SeriesRows, numbers: _Numbers) -> npt.NDArray[np.int32]:
        """What the dense array has for each sample."""
        # Once: another thread, which folds, may put a larger one in its place meanwhile.
        dense = self._dense
        endpoint, method, status = numbers
        _, methods, status_codes = dense.shape
        at = (endpoint * (methods * status_codes)).take(batch.endpoint)
        at += (method * status_codes).take(batch.method)
        at += status.take(batch.status)
        return dense.reshape(-1).take(at)

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
        if not len(ids):
            return
        last = last_of_each(ids, ended_at_ms, len(self.seen))
        present = np.flatnonzero(last >= 0)
        # Compared in place: for a thousand series, min() and max() are a tenth of the whole fold.
        for series, last_ms in zip(present.tolist(), last[present].tolist(), strict=True):
            seen = self.seen[series]
            if last_ms > seen.last_ms:  # noqa: PLR1730
                seen.last_ms = last_ms
        earliest = int(ended_at_ms.min())
        if any(self.seen[series].first_ms > earliest for series in present.tolist()):
            self._see_first(present, ids, ended_at_ms)

    def _see_first(self, present: Ints, ids: Ints, ended_at_ms: Ints) -> None:
        """Mostly there is no need to: what ends now was seen before."""
        first = first_of_each(ids, ended_at_ms, len(self.seen))
        for series, first_ms in zip(present.tolist(), first[present].tolist(), strict=True):
            seen = self.seen[series]
            seen.first_ms = min(seen.first_ms, first_ms)

    def see_measured(self, ids: Ints, ended_at_ms: Ints) -> None:
        """Note when histograms of these series were measured."""
        for series, ended_at in zip(ids.tolist(), ended_at_ms.tolist(), strict=True):
            seen = self.seen[series]
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
        series = self._ids[key] = len(self.seen)
        self.seen.append(seen)
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


def _first_of_each(batch: SeriesRows, rows: Ints) -> list[int]:
    """Of these rows, the first of each series, in the order of the rows."""
    codes = batch.series_codes()[rows]
    first: list[int] = rows[np.sort(np.unique(codes, return_index=True)[1])].tolist()
    return first


def first_of_each(places: Ints, values: Ints, length: int) -> Ints:
    """The least value at each place.

    Values that ascend, as ends mostly do, need no comparing: the one that is written last stays.
    """
    least = np.full(length, np.iinfo(np.int64).max)
    if ascends(values):
        least[places[::-1]] = values[::-1]
    else:
        np.minimum.at(least, places, values)
    return least


def last_of_each(places: Ints, values: Ints, length: int) -> Ints:
    """The greatest value at each place; -1 where there is none."""
    greatest = np.full(length, -1)
    if ascends(values):
        greatest[places] = values
    else:
        np.maximum.at(greatest, places, values)
    return greatest


def ascends(values: Ints) -> bool:
    """Whether no value is less than the one before it."""
    return bool((values[1:] >= values[:-1]).all())


def _numbered(known: dict[Label, int], labels: Sequence[Label]) -> Ints:
    """The number of each label, a new one where there was none."""
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)
