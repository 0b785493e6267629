"""Rollups: count, sum, max and histogram of many series, as columns.

Series stand for themselves by their ids in a `SeriesTable`. All histograms lie in one sorted
column of cells, so that folding, merging and quantiles are a few passes over arrays, whatever the
number of series.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Self, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from .histogram import ExponentialHistogram, buckets_of, within_buckets
from .interning import distinct
from .of_each import least_of_each
from .sample import Ints
from .taken_out import taken_out

BUCKET_BITS = 16
MERGE_AT_CELLS = 900_000
MAX_CELLS_AT_ONCE = 320_000
_BUCKET_OFFSET = 1 << (BUCKET_BITS - 1)
_BUCKET_MASK = (1 << BUCKET_BITS) - 1
PAST_SERIES = 1 << 46
"""More than any series' id: a cell has 62 bits."""
_COUNTED_AT_ONCE = 15_360
"""So that what is made of them stays in a processor's cache, and in memory that is there already:
what is larger is got from the system and given back each time, which takes as long as all else."""
_MAX_DENSE = 1 << 23
_SAMPLES_OF_AN_ID = 16
"""So many are placed in the time that an id costs which none of them has."""
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
        ids, places = _placed(series)
        zero_count, sum_ns, max_ns = (np.zeros(len(ids), np.int64) for _ in range(3))
        np.add.at(sum_ns, places, latency_ns)
        np.maximum.at(max_ns, places, latency_ns)
        if int(latency_ns.min()) <= 0:
            positive = latency_ns > 0
            zero_count += np.bincount(places[~positive], minlength=len(ids))
            places, latency_ns = places[positive], latency_ns[positive]
        count, *cells = _counted(ids, places, latency_ns, max_ns)
        count += zero_count
        rows = np.flatnonzero(count)
        return cls(ids[rows], count[rows], zero_count[rows], sum_ns[rows], max_ns[rows], *cells)

    @classmethod
    def of_histograms(
        cls,
        *,
        series: Ints,
        count: Ints,
        zero_count: Ints,
        sum_ns: Ints,
        max_ns: Ints,
        series_of_bucket: Ints,
        bucket: Ints,
        bucket_count: Ints,
    ) -> Self:
        """Of histograms, one or more for each series, and of their buckets."""
        present, place = np.unique(series, return_inverse=True)
        cells = series_of_bucket << BUCKET_BITS | bucket + _BUCKET_OFFSET
        cell, cell_place = np.unique(cells, return_inverse=True)
        return cls(
            present,
            _totals(np.add, place, [count], len(present)),
            _totals(np.add, place, [zero_count], len(present)),
            _totals(np.add, place, [sum_ns], len(present)),
            _totals(np.maximum, place, [max_ns], len(present)),
            cell,
            _totals(np.add, cell_place, [bucket_count], len(cell)),
        )

    @classmethod
    def merged(cls, parts: Sequence["Rollups"], group: Ints | None = None) -> "Rollups":
        """Of everything that the parts count.

        With `group`, indexed by series id, its members stand in the place of the series.
        """
        if group is not None:
            some = [part for part in parts if len(part.series)]
            return cls._merged(some, group) if some else cls.none()
        return cls._joined(cls._whole(piece) for piece in _pieces(parts, _bounds(parts)))

    @classmethod
    def _whole(cls, parts: Sequence["Rollups"]) -> "Rollups":
        some = [part for part in parts if len(part.series)]
        if len(some) > 1:
            return cls._merged(some, None)
        return some[0] if some else cls.none()

    @classmethod
    def _joined(cls, parts: Iterable["Rollups"]) -> "Rollups":
        """Of parts each of which has higher series than those before it."""
        first, *others = parts
        if not others:
            return first
        columns = list(map(list, zip(*(part.columns for part in (first, *others)), strict=True)))
        del first, others
        # One column after the other, so that no more than one is held twice.
        return cls(*map(np.concatenate, taken_out(columns)))

    @classmethod
    def _merged(cls, some: Sequence["Rollups"], group: Ints | None) -> "Rollups":
        ids = np.concatenate([part.series for part in some])
        series, place = distinct(ids if group is None else group[ids])
        return cls(
            series,
            _totals(np.add, place, (part.count for part in some), len(series)),
            _totals(np.add, place, (part.zero_count for part in some), len(series)),
            _totals(np.add, place, (part.sum_ns for part in some), len(series)),
            _totals(np.maximum, place, (part.max_ns for part in some), len(series)),
            *_merged_cells(some, _split(place, some), series, group),
        )

    @classmethod
    def merged_in_turn(cls, parts: Iterable["Rollups"]) -> "Rollups":
        """The same, of parts that are made as they are taken: few are held at once.

        What is merged by then lies in pieces, so that only one of them is there twice at a time.
        """
        batches = _batches(parts)
        totals, bounds = cls._cut(next(batches))
        while batch := next(batches, None):
            cls._add(totals, batch, bounds)
            # While the next batch is made, this one must not be there any more.
            del batch
        return cls._joined(taken_out(totals))

    @classmethod
    def _cut(cls, batch: Sequence["Rollups"]) -> tuple[list["Rollups"], Sequence[int]]:
        """The batch merged, in pieces, and the series at which these are cut."""
        bounds = _bounds(batch)
        pieces = [cls._whole(piece) for piece in _pieces(batch, bounds)]
        if len(pieces) > 1:
            # Copied, since one piece of a view would keep all of what it is a view of.
            pieces = [_copied(piece) for piece in taken_out(pieces)]
        return pieces, bounds

    @classmethod
    def _add(
        cls, totals: list["Rollups"], batch: Sequence["Rollups"], bounds: Sequence[int]
    ) -> None:
        """Merge a batch into the totals, which are cut at these series."""
        for at, piece in enumerate(_pieces(batch, bounds)):
            totals[at] = cls._whole([totals[at], *piece])

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

    def between(self, first: int, end: int) -> "Rollups":
        """Of the series from `first` on and below `end`, without a copy."""
        bounds = np.array([first, end])
        rows = slice(*np.searchsorted(self.series, bounds))
        return self._taken(rows, slice(*np.searchsorted(self.cell, bounds << BUCKET_BITS)))

    def parted(self, parts: int, width: int) -> Iterator["Rollups"]:
        """As many rollups, the first of the series below `width`, each renumbered from zero."""
        if parts == 1:
            yield self
            return
        firsts = np.arange(parts + 1) * width
        rows = np.searchsorted(self.series, firsts).tolist()
        cells = np.searchsorted(self.cell, firsts << BUCKET_BITS).tolist()
        for at, first in enumerate(firsts[:-1].tolist()):
            part = self._taken(slice(*rows[at : at + 2]), slice(*cells[at : at + 2]))
            yield replace(part, series=part.series - first, cell=part.cell - (first << BUCKET_BITS))

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
        before = np.zeros(len(self.cell) + 1, np.int64)
        upto = np.cumsum(self.cell_count, out=before[1:])
        start = before[np.searchsorted(self.cell, self.series[asked] << BUCKET_BITS)]
        target = start + in_buckets[asked]
        at = np.searchsorted(upto, target)
        fractions = (target - before[at] - 0.5) / self.cell_count[at]
        values = within_buckets(buckets_of_cells(self.cell[at]), fractions)
        found[asked] = np.minimum(values, self.max_ns[asked])
        return found

    def counts_above(self, bucket: Ints) -> Ints:
        """By series id, how many latencies lie in buckets above the one that is given for each."""
        series = self.cell >> BUCKET_BITS
        above = self.buckets > bucket[series]
        found: Ints = np.zeros(len(bucket), np.int64)
        np.add.at(found, series[above], self.cell_count[above])
        return found

    def bucket_counts(self) -> tuple[Ints, Ints]:
        """Bucket index and count over all series together, ascending; zeros are left out."""
        if not len(self.cell):
            return _NOTHING, _NOTHING
        everything = Rollups.merged([self], np.zeros(int(self.series[-1]) + 1, np.int64))
        return everything.buckets, everything.cell_count

    def histograms(self) -> Iterable[tuple[int, ExponentialHistogram]]:
        """Each series' id and histogram, by itself."""
        start = np.searchsorted(self.cell, self.series << BUCKET_BITS).tolist()
        buckets = self.buckets.tolist()
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

    @property
    def buckets(self) -> Ints:
        """The bucket index of each cell."""
        return buckets_of_cells(self.cell)

    def of_series(self, series: int) -> "Rollups":
        """Of this series alone."""
        return self.between(series, series + 1)


def buckets_of_cells(cell: Ints) -> Ints:
    """The bucket index of each cell."""
    return (cell & _BUCKET_MASK) - _BUCKET_OFFSET


def _copied(rollups: Rollups) -> Rollups:
    return Rollups(*(column.copy() for column in rollups.columns))


def _batches(parts: Iterable[Rollups]) -> Iterator[list[Rollups]]:
    """The parts, in groups that are worth being merged together; at least one group."""
    batch: list[Rollups] = []
    cells = 0
    for part in parts:
        batch.append(part)
        cells += len(part.cell)
        if cells >= MERGE_AT_CELLS:
            del part
            yield batch
            batch, cells = [], 0
    yield batch


def _bounds(parts: Sequence[Rollups]) -> list[int]:
    """Series at which to cut the parts, so that little is needed to merge a piece of all."""
    pieces = -(-sum(len(part.cell) for part in parts) // MAX_CELLS_AT_ONCE)
    cuts: list[int] = []
    if pieces > 1:
        largest = max((part.cell for part in parts), key=len)
        cuts = (largest[np.arange(1, pieces) * len(largest) // pieces] >> BUCKET_BITS).tolist()
    return sorted({0, *cuts, PAST_SERIES})


def _pieces(parts: Sequence[Rollups], bounds: Sequence[int]) -> Iterator[Sequence[Rollups]]:
    """The parts, cut at these series."""
    if len(bounds) == 2:  # noqa: PLR2004 - the ends
        yield parts
        return
    for first, end in pairwise(bounds):
        yield [part.between(first, end) for part in parts]


def _placed(series: Ints) -> tuple[Ints, Ints]:
    """Ids that ascend, all of `series` among them, and at which of them each of `series` is.

    Where there are few ids for so many samples, what the absent ones cost is less than what it
    takes to find the places.
    """
    width = int(series.max()) + 1
    if width * _SAMPLES_OF_AN_ID <= len(series):
        return np.arange(width), series
    return distinct(series)


def _counted(ids: Ints, places: Ints, latency_ns: Ints, max_ns: Ints) -> tuple[Ints, Ints, Ints]:
    """Of latencies above zero: how many there are of each id, and the cells and their counts.

    `places` are those of the latencies in `ids`.
    """
    if not len(places):
        return np.zeros(len(ids), np.int64), _NOTHING, _NOTHING
    min_ns = least_of_each(places, latency_ns, len(ids))
    low, high = _no_bounds(len(ids))
    some = np.flatnonzero(max_ns)
    low[some], high[some] = (buckets_of(ns[some]) + _BUCKET_OFFSET for ns in (min_ns, max_ns))
    counters = _Counters(low, high)
    if counters.length > _MAX_DENSE:
        cells = ids[places] << BUCKET_BITS | buckets_of(latency_ns) + _BUCKET_OFFSET
        return np.bincount(places, minlength=len(ids)), *np.unique(cells, return_counts=True)
    counted = np.zeros(counters.length, np.int64)
    start = counters.start + _BUCKET_OFFSET
    for first in range(0, len(places), _COUNTED_AT_ONCE):
        part = slice(first, first + _COUNTED_AT_ONCE)
        at = start.take(places[part])
        at += buckets_of(latency_ns[part])
        np.add.at(counted, at, 1)
    count = np.zeros(len(ids), np.int64)
    count[some] = np.add.reduceat(counted, counters.first[some])
    return count, *counters.cells(counted, ids)


def _no_bounds(length: int) -> tuple[Ints, Ints]:
    """The lowest and highest bucket of nothing."""
    return np.full(length, _BUCKET_MASK), np.full(length, -1)


class _Counters:
    """A counter for each bucket of each series, from its lowest to its highest.

    Those of one series follow those of the one before, so there are few of them even where few
    samples are of many series. That of a bucket is the one at `start + bucket`.
    """

    def __init__(self, low: Ints, high: Ints) -> None:
        width = np.maximum(high - low + 1, 0)
        self._upto = np.cumsum(width)
        self.first = self._upto - width
        self.start = self.first - low
        self.length = int(self._upto[-1])

    def cells(self, counted: Ints, series: Ints) -> tuple[Ints, Ints]:
        """Cells and counts of these series, out of the counters that are above zero."""
        found = np.flatnonzero(counted > 0)
        buckets = np.diff(np.searchsorted(found, self._upto), prepend=0)
        cell = np.repeat((series << BUCKET_BITS) - self.start, buckets)
        cell += found
        return cell, counted.take(found)


def _merged_cells(
    parts: Sequence[Rollups], places: Sequence[Ints], series: Ints, group: Ints | None
) -> tuple[Ints, Ints]:
    """The cells of all parts, ascending; `places` are those of the parts' series in `series`."""
    low, high = _no_bounds(len(series))
    lengths = []
    for part, place in zip(parts, places, strict=True):
        bound = np.searchsorted(part.cell, np.append(part.series, PAST_SERIES) << BUCKET_BITS)
        length = np.diff(bound)
        some = np.flatnonzero(length)
        np.minimum.at(low, place[some], part.cell[bound[some]] & _BUCKET_MASK)
        np.maximum.at(high, place[some], part.cell[bound[some + 1] - 1] & _BUCKET_MASK)
        lengths.append(length)
    counters = _Counters(low, high)
    if counters.length > _MAX_DENSE:
        return _sorted_cells(parts, group)
    counted = np.zeros(counters.length, np.int64)
    for part, place, length in zip(parts, places, lengths, strict=True):
        at = np.repeat(counters.start[place] - (part.series << BUCKET_BITS), length)
        at += part.cell
        np.add.at(counted, at, part.cell_count)
    return counters.cells(counted, series)


def _sorted_cells(parts: Sequence[Rollups], group: Ints | None) -> tuple[Ints, Ints]:
    """The same by sorting, where an array of every possible cell would be too large."""
    cells = np.concatenate([part.cell for part in parts])
    if group is not None:
        cells = group[cells >> BUCKET_BITS] << BUCKET_BITS | cells & _BUCKET_MASK
    distinct, place = np.unique(cells, return_inverse=True)
    return distinct, _totals(np.add, place, (part.cell_count for part in parts), len(distinct))


def _split(places: Ints, parts: Sequence[Rollups]) -> Sequence[Ints]:
    """The places of each part's series, out of those of all."""
    ends = np.cumsum([len(part.series) for part in parts])
    return np.split(places, ends[:-1])


def _totals(add: np.ufunc, place: Ints, columns: Iterable[Ints], length: int) -> Ints:
    """What the ufunc makes of the values at each place."""
    total = np.zeros(length, np.int64)
    add.at(total, place, np.concatenate(list(columns)))
    return total
