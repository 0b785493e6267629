"""The requests of two spans of time against each other, group by group."""

from collections import Counter
from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from .histogram import SCALE, buckets_of, upper_bound_ms
from .instant import NS_PER_MS
from .metrics import FIRST_ERROR_STATUS
from .rollup import Rollups
from .sample import Ints, SeriesKey
from .series import SeriesTable
from .significance import Trials, difference
from .tier import Window
from .time_series import HEATMAP_SCALE

TYPICAL, SLOW, SLOWEST = 0.50, 0.95, 0.99
OWN_STREAM = ("opsboard", "/events/stream")


class Traffic(msgspec.Struct, frozen=True):
    """The requests of a span: rates in requests a second, `error_rate` of 0 to 1.

    `error_rate` and the latencies are None where there was no request.
    """

    count: int
    errors: int
    rate: float
    error_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Compared(msgspec.Struct, frozen=True):
    """One group before and after.

    The deviations are those of `significance.difference`: of the share of errors, and of the share
    of requests that took longer than the p50 or p95 of both spans together, which is how a quantile
    is tested (the median test of Brown and Mood, taken at any quantile).
    """

    before: Traffic
    after: Traffic
    errors_z: float
    p50_z: float
    p95_z: float


NO_TRAFFIC = Traffic(0, 0, 0.0, None, None, None, None)
UNSEEN = Compared(NO_TRAFFIC, NO_TRAFFIC, 0.0, 0.0, 0.0)


class Distribution(msgspec.Struct, frozen=True):
    """How many requests of each span took how long: up to `upto_ms`, and more than the row before.

    A row is a quarter of an octave; the lowest one holds what took no time, too.
    """

    upto_ms: list[float]
    before: list[int]
    after: list[int]


class Span(NamedTuple):
    """A window, in parts of so many ms: how parts differ says how much chance there is."""

    window: Window
    part_ms: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(0, self.window.until - self.window.since) / 1000

    @property
    def parts(self) -> int:
        """How many parts it touches."""
        return self.place(self.window.until - 1) + 1

    def place(self, ms: int) -> int:
        """The part in which a moment lies."""
        return ms // self.part_ms - self.window.since // self.part_ms

    def nearest(self, ms: int) -> int:
        """The part in which a moment lies, or the one that is next to it."""
        return min(max(0, self.place(ms)), max(1, self.parts) - 1)


class Grouped:
    """The groups that series belong to: by id, the number of each series' group; -1 for none."""

    def __init__(self, series: SeriesTable, labels: Sequence[tuple[str, ...] | None]) -> None:
        """Group the series whose labels are alike; those without are left out."""
        self.labels = sorted({label for label in labels if label is not None})
        place = {label: i for i, label in enumerate(self.labels)}
        self.group: Ints = np.array([-1 if la is None else place[la] for la in labels], np.int64)
        self.is_error = np.array(
            [seen.key.status_code >= FIRST_ERROR_STATUS for seen in series.seen], np.bool_
        )

    def as_one(self) -> "Grouped":
        """The same series, all in one group."""
        one = copy(self)
        one.labels = [()] if self.labels else []
        one.group = np.minimum(self.group, 0)
        return one

    @property
    def wanted(self) -> npt.NDArray[np.bool_]:
        """Whether each series is in a group."""
        return self.group >= 0


def is_own_stream(key: SeriesKey) -> bool:
    """Whether it is opsboard's own live stream, which takes as long as a page is open."""
    return key[:2] == OWN_STREAM


def endpoint_of(key: SeriesKey) -> tuple[str, ...]:
    """Method and route."""
    return key.method, key.route


class CountFold:
    """How many requests of each group a span holds, part by part."""

    def __init__(self, span: Span, grouped: Grouped) -> None:
        """Start without a request."""
        self.span = span
        self._group = grouped.group
        self.total: Ints = np.zeros((max(1, span.parts), len(grouped.labels)), np.int64)

    def add(self, start_ms: int, rollups: Rollups) -> None:
        """Count rollups that lie in one part; their histograms do not matter."""
        known = slice(0, int(np.searchsorted(rollups.series, len(self._group))))
        groups = self._group[rollups.series[known]]
        counted = groups >= 0
        place = self.span.nearest(start_ms)
        np.add.at(self.total[place], groups[counted], rollups.count[known][counted])

    def count_again(self, fold: "SpanFold") -> None:
        """What was folded already in parts that lie each in one of these; not what lies before."""
        first = fold.span.window.since // fold.span.part_ms
        for at, counts in enumerate(fold.total):
            place = self.span.place((first + at) * fold.span.part_ms)
            if 0 <= place < len(self.total):
                self.total[place] += counts


class SpanFold:
    """What a span holds of each group, part by part."""

    def __init__(self, span: Span, grouped: Grouped) -> None:
        """Start without a request."""
        self.span = span
        self._grouped = grouped
        shape = (max(1, span.parts), len(grouped.labels))
        self.total: Ints = np.zeros(shape, np.int64)
        self.errors: Ints = np.zeros(shape, np.int64)
        self._parts: list[tuple[int, Rollups]] = []
        self._merged: Rollups | None = None

    def add(self, start_ms: int, rollups: Rollups) -> None:
        """Count rollups that lie in one part."""
        grouped = self._grouped
        rollups = rollups.only(grouped.wanted)
        if not len(rollups.series):
            return
        place = self.span.nearest(start_ms)
        failed = grouped.is_error[rollups.series]
        groups = grouped.group[rollups.series[failed]]
        np.add.at(self.errors[place], groups, rollups.count[failed])
        merged = Rollups.merged([rollups], grouped.group)
        self.total[place, merged.series] += merged.count
        self._parts.append((place, merged))
        self._merged = None

    def as_one(self) -> "SpanFold":
        """What was added, with all groups as one: merged again, which is little by now."""
        one = SpanFold(self.span, self._grouped.as_one())
        if self._grouped.labels:
            one.total = self.total.sum(axis=1, keepdims=True)
            one.errors = self.errors.sum(axis=1, keepdims=True)
            group = np.zeros(len(self._grouped.labels), np.int64)
            one._parts = [(at, Rollups.merged([part], group)) for at, part in self._parts]
        return one

    def merged(self) -> Rollups:
        """The whole span, with groups in the place of series."""
        if self._merged is None:
            self._merged = Rollups.merged([rollups for _, rollups in self._parts])
        return self._merged

    def above(self, bucket: Ints) -> Ints:
        """For each part and group, how many latencies lie in buckets above the group's."""
        counts = np.zeros_like(self.total)
        for place, rollups in self._parts:
            counts[place] += rollups.counts_above(bucket)
        return counts

    def traffic(self) -> list[Traffic]:
        """What each group got over the span."""
        merged = self.merged()
        shape = (3, len(self._grouped.labels))
        latencies: npt.NDArray[np.float64] = np.full(shape, np.nan)
        for row, q in zip(latencies, (TYPICAL, SLOW, SLOWEST), strict=True):
            row[merged.series] = np.round(merged.quantiles(q) / NS_PER_MS, 6)
        return [
            _traffic(count, errors, self.span.seconds, ms)
            for count, errors, ms in zip(
                self.total.sum(axis=0).tolist(),
                self.errors.sum(axis=0).tolist(),
                latencies.T.tolist(),
                strict=True,
            )
        ]


def _traffic(count: int, errors: int, seconds: float, latencies_ms: Sequence[float]) -> Traffic:
    rate = round(count / seconds, 6) if seconds else 0.0
    if not count:
        return Traffic(0, 0, rate, None, None, None, None)
    p50_ms, p95_ms, p99_ms = latencies_ms
    return Traffic(count, errors, rate, round(errors / count, 6), p50_ms, p95_ms, p99_ms)


def compare(before: SpanFold, after: SpanFold) -> list[Compared]:
    """Each group of the two spans, in the order of their labels."""
    both = Rollups.merged([before.merged(), after.merged()])
    slow = [_tested(before, after, both, q) for q in (TYPICAL, SLOW)]
    failed = _deviations(before, after, before.errors, after.errors)
    return [
        Compared(*each)
        for each in zip(before.traffic(), after.traffic(), failed, *slow, strict=True)
    ]


def _tested(before: SpanFold, after: SpanFold, both: Rollups, q: float) -> list[float]:
    # From the lower bound of the quantile's bucket on: from the upper one, nothing is left where
    # the slowest are all alike.
    bucket = np.zeros(before.total.shape[1], np.int64)
    bucket[both.series] = buckets_of(np.maximum(both.quantiles(q), 1).astype(np.int64)) - 1
    return _deviations(before, after, before.above(bucket), after.above(bucket))


def _deviations(before: SpanFold, after: SpanFold, k_before: Ints, k_after: Ints) -> list[float]:
    return [
        difference(
            Trials(before.total[:, group], k_before[:, group]),
            Trials(after.total[:, group], k_after[:, group]),
        )
        for group in range(before.total.shape[1])
    ]


def distribution(before: SpanFold, after: SpanFold) -> Distribution:
    """All groups of the two spans by latency."""
    rows = [_rows(fold.merged()) for fold in (before, after)]
    found = set().union(*rows)
    shown = range(min(found), max(found) + 1) if found else range(0)
    counts = [[row.get(bucket, 0) for bucket in shown] for row in rows]
    if found:
        for count, fold in zip(counts, (before, after), strict=True):
            count[0] += int(fold.merged().zero_count.sum())
    return Distribution(
        [round(upper_bound_ms(bucket, HEATMAP_SCALE), 6) for bucket in shown], *counts
    )


def _rows(rollups: Rollups) -> Counter[int]:
    rows: Counter[int] = Counter()
    for bucket, count in zip(*(part.tolist() for part in rollups.bucket_counts()), strict=True):
        rows[bucket >> (SCALE - HEATMAP_SCALE)] += count
    return rows
