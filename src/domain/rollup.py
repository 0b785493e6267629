"""Rollups: count, sum, max and histogram of many series, as columns.

Series stand for themselves by their ids in a `SeriesTable`. All histograms lie in one sorted
column of cells, so that folding, merging and quantiles are a few passes over arrays, whatever the
number of series.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from .histogram import ExponentialHistogram, buckets_of, within_buckets
from .sample import Ints

BUCKET_BITS = 16
MERGE_AT_ONCE = 16
_BUCKET_OFFSET = 1 << (BUCKET_BITS - 1)
_BUCKET_MASK = (1 << BUCKET_BITS) - 1
_EXACT = 1 << 53
_MAX_DENSE = 1 << 23
_SPARSE = 16
Index: TypeAlias = slice | npt.NDArray[np.bool_]
_NOTHING: Ints = np.empty(0, np.int64)


class Rollups(msgspec.Struct, frozen=True, eq=False):
    """Immutable; `series` ascends, and so does `cell`, each without repetition.

    `count`, `zero_count`, `sum_ns` and `max_ns` go with `series`. A cell is a series' bucket,
    `series << 16 | bucket + 32768`; `cell_count` goes with it. A sum wraps after 292 years of
    request time in one series.
    """

    series: Ints
    count: Ints
    zero_count: Ints
    sum_ns: Ints
    max_ns: Ints
    cell: Ints
    cell_count: Ints

    @classmethod
    def none(cls) -> Self:
        """Of no sample."""
        return cls(*[_NOTHING] * 7)

    @classmethod
    def of(cls, series: Ints, latency_ns: Ints) -> Self:
        """Of these samples: the fold."""
        if not len(series):
            return cls.none()
        counts = np.bincount(series)
        present = np.flatnonzero(counts)
        position = np.zeros(len(counts), np.int64)
        position[present] = np.arange(len(present))
        places = position[series]
        positive = latency_ns > 0
        some_zero = not positive.all()
        placed = places[positive] if some_zero else places
        buckets = buckets_of(latency_ns[positive] if some_zero else latency_ns)
        zero_count = np.zeros(len(present), np.int64)
        if some_zero:
            zero_count += np.bincount(places[~positive], minlength=len(present))
        cell, cell_count = _counted(present, placed, buckets)
        return cls(
            present,
            counts[present],
            zero_count,
            _sums(places, latency_ns, len(present)),
            _totals(np.maximum, places, [latency_ns], len(present)),
            cell,
            cell_count,
        )

    @classmethod
    def merged(cls, parts: Sequence["Rollups"], group: Ints | None = None) -> "Rollups":
        """Of everything that the parts count.

        With `group`, indexed by series id, its members stand in the place of the series.
        """
        some = [part for part in parts if len(part.series)]
        if not some:
            return cls.none()
        if len(some) == 1 and group is None:
            return some[0]
        ids = np.concatenate([part.series for part in some])
        series, place = _positions(ids if group is None else group[ids])
        return cls(
            series,
            _totals(np.add, place, (part.count for part in some), len(series)),
            _totals(np.add, place, (part.zero_count for part in some), len(series)),
            _totals(np.add, place, (part.sum_ns for part in some), len(series)),
            _totals(np.maximum, place, (part.max_ns for part in some), len(series)),
            *_merged_cells([(part.cell, part.cell_count) for part in some], series, group),
        )

    @classmethod
    def merged_in_turn(cls, parts: Iterable["Rollups"]) -> "Rollups":
        """The same, of parts that are made as they are taken: few are held at once."""
        merged = cls.none()
        left = iter(parts)
        while some := list(islice(left, MERGE_AT_ONCE)):
            merged = cls.merged([merged, *some])
        return merged

    @property
    def columns(self) -> tuple[Ints, ...]:
        """Every column, those that go with `series` first."""
        return (
            self.series,
            self.count,
            self.zero_count,
            self.sum_ns,
            self.max_ns,
            self.cell,
            self.cell_count,
        )

    def _taken(self, rows: Index, cells: Index) -> "Rollups":
        return Rollups(
            self.series[rows],
            self.count[rows],
            self.zero_count[rows],
            self.sum_ns[rows],
            self.max_ns[rows],
            self.cell[cells],
            self.cell_count[cells],
        )

    def only(self, wanted: npt.NDArray[np.bool_]) -> "Rollups":
        """Of the series for which the mask, indexed by series id, holds; not of those past it."""
        if len(self.series) and self.series[-1] >= len(wanted):
            wanted = np.append(wanted, np.zeros(self.series[-1] + 1 - len(wanted), np.bool_))
        kept = wanted[self.series]
        if kept.all():
            return self
        return self._taken(kept, wanted[self.cell >> BUCKET_BITS])

    def quantiles(self, q: float) -> npt.NDArray[np.float64]:
        """The nearest-rank quantile (0 < q <= 1) of each series in ns, within 1.1 %."""
        rank = np.ceil(q * self.count).astype(np.int64)
        in_buckets = rank - self.zero_count
        found = np.where(rank == self.count, self.max_ns, 0).astype(np.float64)
        asked = np.flatnonzero((in_buckets > 0) & (rank < self.count))
        upto = np.cumsum(self.cell_count)
        before = np.concatenate([[0], upto])
        start = before[np.searchsorted(self.cell, self.series[asked] << BUCKET_BITS)]
        target = start + in_buckets[asked]
        at = np.searchsorted(upto, target)
        fractions = (target - before[at] - 0.5) / self.cell_count[at]
        values = within_buckets((self.cell[at] & _BUCKET_MASK) - _BUCKET_OFFSET, fractions)
        found[asked] = np.minimum(values, self.max_ns[asked])
        return found

    def bucket_counts(self) -> tuple[Ints, Ints]:
        """Bucket index and count over all series together, ascending; zeros are left out."""
        if not len(self.cell):
            return _NOTHING, _NOTHING
        everything = Rollups.merged([self], np.zeros(int(self.series[-1]) + 1, np.int64))
        return (everything.cell & _BUCKET_MASK) - _BUCKET_OFFSET, everything.cell_count

    def histograms(self) -> Iterable[tuple[int, ExponentialHistogram]]:
        """Each series' id and histogram, by itself."""
        start = np.searchsorted(self.cell, self.series << BUCKET_BITS).tolist()
        buckets = ((self.cell & _BUCKET_MASK) - _BUCKET_OFFSET).tolist()
        counts = self.cell_count.tolist()
        rows = zip(*(column.tolist() for column in self.columns[:5]), start, strict=True)
        for (series, count, zero_count, sum_ns, max_ns, first), end in zip(
            rows, [*start, len(counts)][1:], strict=True
        ):
            cells = dict(zip(buckets[first:end], counts[first:end], strict=True))
            yield series, ExponentialHistogram(cells, zero_count, count, sum_ns, max_ns)

    def same_as(self, other: "Rollups") -> bool:
        """Whether both count the same."""
        return all(np.array_equal(a, b) for a, b in zip(self.columns, other.columns, strict=True))

    def first_difference(self, other: "Rollups") -> int | None:
        """The lowest series id of which the two count something else."""
        for series in np.union1d(self.series, other.series).tolist():
            if not self.of_series(series).same_as(other.of_series(series)):
                return int(series)
        return None

    def of_series(self, series: int) -> "Rollups":
        """Of this series alone."""
        row = slice(*np.searchsorted(self.series, [series, series + 1]))
        bounds = np.array([series, series + 1]) << BUCKET_BITS
        cells = slice(*np.searchsorted(self.cell, bounds))
        return self._taken(row, cells)


def _sums(places: Ints, values: Ints, length: int) -> Ints:
    """Exact sums by place: in one pass where no sum can leave the integers of a float."""
    if int(values.max()) * len(values) < _EXACT:
        return np.bincount(places, values, length).astype(np.int64)
    high, low = values >> 20, values & 0xFFFFF
    return (_sums(places, high, length) << 20) + _sums(places, low, length)


def _counted(present: Ints, places: Ints, buckets: Ints) -> tuple[Ints, Ints]:
    """Cells and their counts, from the place in `present` and the bucket of each latency."""
    if not len(places):
        return _NOTHING, _NOTHING
    lowest = int(buckets.min())
    width = int(buckets.max()) - lowest + 1
    flat = places * width + (buckets - lowest)
    length = len(present) * width
    if length > _SPARSE * len(flat) or length > _MAX_DENSE:
        found, counts = np.unique(flat, return_counts=True)
    else:
        dense = np.bincount(flat)
        found = np.flatnonzero(dense)
        counts = dense[found]
    place, bucket = np.divmod(found, width)
    return present[place] << BUCKET_BITS | (bucket + lowest + _BUCKET_OFFSET), counts


def _merged_cells(
    parts: Sequence[tuple[Ints, Ints]], series: Ints, group: Ints | None
) -> tuple[Ints, Ints]:
    """The cells of all parts, ascending; none of a part's own cells are alike."""
    some = [part for part in parts if len(part[0])]
    if not some:
        return _NOTHING, _NOTHING
    lowest = min(int((cell & _BUCKET_MASK).min()) for cell, _ in some)
    width = max(int((cell & _BUCKET_MASK).max()) for cell, _ in some) - lowest + 1
    if len(series) * width > _MAX_DENSE:
        return _sorted_cells(some, group)
    start = np.zeros(int(series[-1] if group is None else group.max()) + 1, np.int64)
    start[series] = np.arange(len(series)) * width - lowest
    start = start if group is None else start[group]
    dense = np.zeros(len(series) * width, np.int64)
    for cell, count in some:
        at = start[cell >> BUCKET_BITS] + (cell & _BUCKET_MASK)
        if group is None:
            dense[at] += count
        else:
            np.add.at(dense, at, count)
    found = np.flatnonzero(dense)
    place, bucket = np.divmod(found, width)
    return series[place] << BUCKET_BITS | (bucket + lowest), dense[found]


def _sorted_cells(parts: Sequence[tuple[Ints, Ints]], group: Ints | None) -> tuple[Ints, Ints]:
    """The same by sorting, where an array of every possible cell would be too large."""
    cells = np.concatenate([cell for cell, _ in parts])
    if group is not None:
        cells = group[cells >> BUCKET_BITS] << BUCKET_BITS | cells & _BUCKET_MASK
    distinct, place = np.unique(cells, return_inverse=True)
    return distinct, _totals(np.add, place, (count for _, count in parts), len(distinct))


def _totals(add: np.ufunc, place: Ints, columns: Iterable[Ints], length: int) -> Ints:
    """What the ufunc makes of the values at each place."""
    total = np.zeros(length, np.int64)
    add.at(total, place, np.concatenate(list(columns)))
    return total


def _positions(ids: Ints) -> tuple[Ints, Ints]:
    """The distinct ids, ascending, and the place of each id among them."""
    present = np.flatnonzero(np.bincount(ids))
    position = np.zeros(int(present[-1]) + 1, np.int64)
    position[present] = np.arange(len(present))
    return present, position[ids]
