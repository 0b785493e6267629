"""One format's whole answer, in parts that are rendered anew only where something changed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

import numpy as np

from ....domain.classic_buckets import REQUEST_BOUNDS_SECONDS
from ....domain.rollup import Rollups
from ....domain.sample import Ints, SeriesKey
from ....domain.series import SeriesTable
from .family import Encoder, Family, Histograms, Kind, Values
from .gzip_parts import Part

SERIES_A_PART = 128
PARTS_AT_ONCE = 16
"""More of them would save nothing, and need more memory while they are rendered."""

THREADS = 2
"""One renders while another one compresses, for which it does not need the interpreter."""

_Parts: TypeAlias = Mapping[int, Part]

REQUESTS = Family(
    "http_server_request_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of HTTP server requests.",
    "seconds",
)


class Page:
    """Renders, and keeps what it rendered: compressed, a twentieth of what is sent.

    A series whose count and sum are the same has not changed. Not for two threads at once.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._keys: list[SeriesKey] = []
        self._table: SeriesTable | None = None
        self._figures = _figures(Rollups.none())
        self._rendered: dict[int, Part] = {}
        self._around: dict[bytes, Part] = {}

    def parts(
        self,
        rollups: Rollups,
        series: SeriesTable,
        families: Sequence[Histograms | Values],
    ) -> list[Part]:
        """The answer: the requests that these rollups are, and other families."""
        self._forget_other_series(series)
        requests = self._requests(rollups, series)
        head = self._encoder.head(REQUESTS, sum(part.length for part in requests))
        rest = b"".join([*map(self._encoded, families), self._encoder.end()])
        self._around = {each: self._around.get(each) or Part.of(each) for each in (head, rest)}
        return [self._around[head], *requests, self._around[rest]]

    def _encoded(self, family: Histograms | Values) -> bytes:
        if isinstance(family, Values):
            return self._encoder.values(family)
        histograms = b"".join(self._encoder.histograms(family, [len(family.rollups.series)]))
        return self._encoder.head(family.family, len(histograms)) + histograms

    def _forget_other_series(self, series: SeriesTable) -> None:
        """Where a store was rebuilt, an id may stand for another series than before."""
        if series is not self._table:
            keys = [seen.key for seen in series.seen]
            if keys[: len(self._keys)] != self._keys:
                self._rendered.clear()
                self._figures = _figures(Rollups.none())
            self._keys, self._table = keys, series

    def _requests(self, rollups: Rollups, series: SeriesTable) -> list[Part]:
        figures = _figures(rollups)
        numbers = np.unique(rollups.series // SERIES_A_PART)
        changed = np.unique(_differing(self._figures, figures) // SERIES_A_PART)
        runs = _runs(np.intersect1d(changed, numbers, assume_unique=True))
        with ThreadPoolExecutor(THREADS, "exposition") as pool:
            for parts in pool.map(partial(self._run, rollups, series), runs):
                self._rendered.update(parts)
        self._figures = figures
        return [self._rendered[number] for number in numbers.tolist()]

    def _run(self, rollups: Rollups, series: SeriesTable, numbers: Sequence[int]) -> _Parts:
        """The parts with these numbers, which follow each other."""
        ends = [(number + 1) * SERIES_A_PART for number in numbers]
        some = rollups.between(ends[0] - SERIES_A_PART, ends[-1])
        labels = _labels([series.key(each) for each in some.series.tolist()])
        histograms = Histograms(REQUESTS, REQUEST_BOUNDS_SECONDS, some, labels)
        cuts = np.searchsorted(some.series, ends).tolist()
        pieces = self._encoder.histograms(histograms, cuts)
        parts = map(Part.of, pieces)
        return dict(zip(numbers, parts, strict=True))


def _figures(rollups: Rollups) -> Ints:
    """Count and sum by series id, in two rows; a series that is not there has a count of -1."""
    figures = np.full((2, int(rollups.series.max(initial=-1)) + 1), -1)
    figures[:, rollups.series] = rollups.count, rollups.sum_ns
    return figures


def _differing(before: Ints, after: Ints) -> Ints:
    """The ids of the series whose figures differ, in ascending order."""
    common = min(before.shape[1], after.shape[1])
    differ = np.ones(max(before.shape[1], after.shape[1]), np.bool_)
    differ[:common] = (before[:, :common] != after[:, :common]).any(axis=0)
    return np.flatnonzero(differ)


def _runs(numbers: Ints) -> Iterator[Sequence[int]]:
    """The numbers, cut where they skip one, and so that no run is too long."""
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        for start in range(0, len(run), PARTS_AT_ONCE):
            yield run[start : start + PARTS_AT_ONCE].tolist()


def _labels(keys: Sequence[SeriesKey]) -> Sequence[tuple[str, Sequence[str]]]:
    return [
        ("http_request_method", [key.method for key in keys]),
        ("http_response_status_code", [str(key.status_code) for key in keys]),
        ("http_route", [key.route for key in keys]),
        ("service_name", [key.service for key in keys]),
    ]
