"""One format's whole answer, in parts that are rendered anew only where something changed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import msgspec
import numpy as np

from ....domain.classic_buckets import REQUEST_BOUNDS_SECONDS
from ....domain.rollup import Rollups
from ....domain.sample import Ints, SeriesKey
from ....domain.series import SeriesTable
from .family import Encoder, Family, Histograms, Kind, Labels, Values
from .gzip_parts import Part, gzip_file

SERIES_A_PART = 128

REQUESTS = Family(
    "http_server_request_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of HTTP server requests.",
    "seconds",
)


class _Rendered(msgspec.Struct, frozen=True):
    """Some series as they were, and what they look like."""

    columns: tuple[Ints, ...]
    part: Part

    def is_of(self, columns: Sequence[Ints]) -> bool:
        return all(map(np.array_equal, self.columns, columns))


class Page:
    """Renders, and keeps what it rendered: compressed, a twentieth of what is sent.

    A series whose count and sum are the same has not changed. Not for two threads at once.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._keys: list[SeriesKey] = []
        self._table: SeriesTable | None = None
        self._rendered: dict[int, _Rendered] = {}
        self._around: dict[bytes, Part] = {}
        self._file: tuple[list[Part], bytes] = ([], b"")

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

    def gzipped(self, parts: list[Part]) -> bytes:
        """The answer as a gzip file, the same one while nothing changes."""
        if self._file[0] != parts:
            self._file = parts, gzip_file(parts)
        return self._file[1]

    def _encoded(self, family: Histograms | Values) -> bytes:
        if isinstance(family, Values):
            return self._encoder.values(family)
        histograms = self._encoder.histograms(family)
        return self._encoder.head(family.family, len(histograms)) + histograms

    def _forget_other_series(self, series: SeriesTable) -> None:
        """Where a store was rebuilt, an id may stand for another series than before."""
        if series is not self._table:
            keys = [seen.key for seen in series.seen]
            if keys[: len(self._keys)] != self._keys:
                self._rendered.clear()
            self._keys, self._table = keys, series

    def _requests(self, rollups: Rollups, series: SeriesTable) -> list[Part]:
        pending: dict[int, tuple[tuple[Ints, ...], Future[Part]]] = {}
        numbers = []
        with ThreadPoolExecutor(1, "exposition") as compressing:
            for number, rows in _rows(rollups):
                numbers.append(number)
                columns = (rollups.series[rows], rollups.count[rows], rollups.sum_ns[rows])
                known = self._rendered.get(number)
                if known is None or not known.is_of(columns):
                    content = self._encoder.histograms(_part(rollups, series, number))
                    kept = tuple(column.copy() for column in columns)
                    pending[number] = kept, compressing.submit(Part.of, content)
        for number, (kept, part) in pending.items():
            self._rendered[number] = _Rendered(kept, part.result())
        return [self._rendered[number].part for number in numbers]


def _rows(rollups: Rollups) -> Iterator[tuple[int, slice]]:
    """The number of each part, and where its series are in the columns."""
    if not len(rollups.series):
        return
    parts = int(rollups.series[-1]) // SERIES_A_PART + 1
    upto = np.searchsorted(rollups.series, np.arange(parts + 1) * SERIES_A_PART).tolist()
    for number, (start, end) in enumerate(pairwise(upto)):
        if start < end:
            yield number, slice(start, end)


def _part(rollups: Rollups, series: SeriesTable, number: int) -> Histograms:
    first = number * SERIES_A_PART
    part = rollups.between(first, first + SERIES_A_PART)
    labels = [_labels(series.key(each)) for each in part.series.tolist()]
    return Histograms(REQUESTS, REQUEST_BOUNDS_SECONDS, part, labels)


def _labels(key: SeriesKey) -> Labels:
    return (
        ("http_request_method", key.method),
        ("http_response_status_code", str(key.status_code)),
        ("http_route", key.route),
        ("service_name", key.service),
    )
