"""Request metrics over time: the points behind charts, and the heat map."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from .histogram import SCALE, upper_bound_ms
from .instant import NS_PER_MS, format_ms
from .metrics import FIRST_ERROR_STATUS, QUANTILES
from .rollup import Rollups
from .sample import Ints, SeriesKey
from .series import SeriesTable

GROUPINGS = ("service", "route", "method", "status_class")
HEATMAP_SCALE = 2

Wanted: TypeAlias = npt.NDArray[np.bool_]


class GroupSeries(msgspec.Struct, frozen=True):
    """One group's points: a value for each moment, None where a latency has no sample.

    `rate` is in requests a second; `errors` counts answers of 500 and above.
    """

    labels: dict[str, str]
    count: list[int]
    rate: list[float]
    errors: list[int]
    mean_ms: list[float | None]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]
    max_ms: list[float | None]


class TimeSeries(msgspec.Struct, frozen=True):
    """Points at `ts` (the start of each step), for each group."""

    step_seconds: float
    ts: list[str]
    groups: list[GroupSeries]


class Heatmap(msgspec.Struct, frozen=True):
    """How many requests took how long when: `counts[i][j]` at `ts[i]`, up to `upto_ms[j]`."""

    step_seconds: float
    ts: list[str]
    upto_ms: list[float]
    counts: list[list[int]]


class Steps(msgspec.Struct, frozen=True):
    """`length` steps of `step_ms` from `first_ms` on."""

    first_ms: int
    step_ms: int
    length: int

    def place(self, ms: int) -> int:
        """The step in which a moment lies."""
        return (ms - self.first_ms) // self.step_ms

    def ts(self) -> list[str]:
        """The start of each step."""
        return [format_ms(self.first_ms + i * self.step_ms) for i in range(self.length)]


_MERGE_AT = 8


class Grouping:
    """Which series are shown together: those that are alike in all of `by`."""

    def __init__(self, series: SeriesTable, by: Sequence[str], wanted: Wanted) -> None:
        """Group the wanted series, in the order of their labels."""
        labels = [_labels(seen.key, by) for seen in series.seen]
        distinct = sorted({label for label, want in zip(labels, wanted, strict=True) if want})
        place = {label: i for i, label in enumerate(distinct)}
        self.labels = [dict(zip(by, label, strict=True)) for label in distinct]
        self.group: Ints = np.array([place.get(label, 0) for label in labels], np.int64)
        """The group of each series, by its id."""


def _labels(key: SeriesKey, by: Sequence[str]) -> tuple[str, ...]:
    values = {
        "service": key.service,
        "route": key.route,
        "method": key.method,
        "status_class": f"{key.status_code // 100}xx",
    }
    return tuple(values[name] for name in by)


class TimeSeriesFold:
    """Gathers rollups step by step, already as groups, so that little is held."""

    def __init__(self, steps: Steps, grouping: Grouping, series: SeriesTable) -> None:
        """Start without a request."""
        self._steps = steps
        self._grouping = grouping
        self._is_error = np.array(
            [seen.key.status_code >= FIRST_ERROR_STATUS for seen in series.seen], np.bool_
        )
        self._errors = np.zeros((len(grouping.labels), steps.length), np.int64)
        self._parts: dict[int, list[Rollups]] = {}

    def add(self, start_ms: int, rollups: Rollups) -> None:
        """Count rollups of the wanted series that lie in one step."""
        step = self._steps.place(start_ms)
        group = self._grouping.group
        failed = self._is_error[rollups.series]
        groups = group[rollups.series[failed]]
        np.add.at(self._errors[:, step], groups, rollups.count[failed])
        parts = self._parts.setdefault(step, [])
        parts.append(Rollups.merged([rollups], group))
        if len(parts) >= _MERGE_AT:
            parts[:] = [Rollups.merged(parts)]

    def result(self) -> TimeSeries:
        """The points of each group."""
        shape = (len(self._grouping.labels), self._steps.length)
        count, latencies_ns = np.zeros(shape, np.int64), np.full((5, *shape), np.nan)
        for step, parts in self._parts.items():
            merged = Rollups.merged(parts)
            count[merged.series, step] = merged.count
            columns = (merged.sum_ns / merged.count, *map(merged.quantiles, QUANTILES))
            for row, column in zip(latencies_ns, (*columns, merged.max_ns), strict=True):
                row[merged.series, step] = column
        rate = np.round(count / (self._steps.step_ms / 1000), 6)
        return TimeSeries(
            self._steps.step_ms / 1000,
            self._steps.ts(),
            [
                GroupSeries(
                    labels,
                    count[i].tolist(),
                    rate[i].tolist(),
                    self._errors[i].tolist(),
                    *(_ms_or_none(row[i]) for row in latencies_ns),
                )
                for i, labels in enumerate(self._grouping.labels)
            ],
        )


def _ms_or_none(ns: npt.NDArray[np.float64]) -> list[float | None]:
    ms = np.round(ns / NS_PER_MS, 6)
    return [
        None if missing else value
        for value, missing in zip(ms.tolist(), np.isnan(ms).tolist(), strict=True)
    ]


class HeatmapFold:
    """Counts rollups by latency, four rows an octave; zeros go into the lowest row."""

    def __init__(self, steps: Steps) -> None:
        """Start without a request."""
        self._steps = steps
        self._rows: list[Counter[int]] = [Counter() for _ in range(steps.length)]
        self._zeros = [0] * steps.length

    def add(self, start_ms: int, rollups: Rollups) -> None:
        """Count rollups that lie in one step."""
        step = self._steps.place(start_ms)
        self._zeros[step] += int(rollups.zero_count.sum())
        buckets, counts = rollups.bucket_counts()
        for bucket, count in zip(buckets.tolist(), counts.tolist(), strict=True):
            self._rows[step][bucket >> (SCALE - HEATMAP_SCALE)] += count

    def result(self) -> Heatmap:
        """The counts, every row between the lowest and the highest that has any."""
        found = {bucket for row in self._rows for bucket in row} or {0}
        shown = range(min(found), max(found) + 1)
        for row, zeros in zip(self._rows, self._zeros, strict=True):
            row[shown[0]] += zeros
        return Heatmap(
            self._steps.step_ms / 1000,
            self._steps.ts(),
            [round(upper_bound_ms(bucket, HEATMAP_SCALE), 6) for bucket in shown],
            [[row[bucket] for bucket in shown] for row in self._rows],
        )
