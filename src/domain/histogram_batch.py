"""Histograms of requests that were measured elsewhere, as columns, as they enter the journal."""

from collections.abc import Iterator, Sequence
from typing import Self

import msgspec
import numpy as np

from .cumulative import CumulativePoint
from .rollup import Rollups
from .sample import Endpoint, Ints, SeriesKey, SeriesRows, interned


class RequestHistogram(msgspec.Struct, frozen=True):
    """The requests of one series that ended in a span of time: (`started_at_ms`, `ended_at_ms`].

    Times are ms since 1970. `buckets` are counts by bucket at scale 5, zeros apart. Where the
    greatest latency is not known, `max_ns` is the greatest that it can be.
    """

    series: SeriesKey
    started_at_ms: int
    ended_at_ms: int
    count: int
    zero_count: int
    sum_ns: int
    max_ns: int
    buckets: dict[int, int]


class HistogramBatch(SeriesRows):
    """Histograms as columns of one length, and the cumulative points that they were made of.

    `cells` says how many buckets a row has; `bucket` and `bucket_count` have those of all rows, one
    after the other. A histogram can not be cut: all of it counts at its end. `points` are what the
    senders' counters stood at, also of those that counted nothing.
    """

    __slots__ = (
        "bucket",
        "bucket_count",
        "cells",
        "count",
        "max_ns",
        "points",
        "started_at_ms",
        "sum_ns",
        "zero_count",
    )

    def __init__(
        self,
        *,
        endpoints: Sequence[Endpoint],
        methods: Sequence[str],
        status_codes: Sequence[int],
        endpoint: Ints,
        method: Ints,
        status: Ints,
        started_at_ms: Ints,
        ended_at_ms: Ints,
        count: Ints,
        zero_count: Ints,
        sum_ns: Ints,
        max_ns: Ints,
        cells: Ints,
        bucket: Ints,
        bucket_count: Ints,
        points: Sequence[CumulativePoint],
    ) -> None:
        """Take the columns, which are not copied."""
        super().__init__(
            endpoints=endpoints,
            methods=methods,
            status_codes=status_codes,
            endpoint=endpoint,
            method=method,
            status=status,
            ended_at_ms=ended_at_ms,
        )
        self.started_at_ms = started_at_ms
        self.count = count
        self.zero_count = zero_count
        self.sum_ns = sum_ns
        self.max_ns = max_ns
        self.cells = cells
        self.bucket = bucket
        self.bucket_count = bucket_count
        self.points = points

    @classmethod
    def of(
        cls, histograms: Sequence[RequestHistogram], points: Sequence[CumulativePoint] = ()
    ) -> Self:
        """The batch that holds these, in their order."""
        keys = [histogram.series for histogram in histograms]
        endpoints, endpoint = interned(Endpoint(key.service, key.route) for key in keys)
        methods, method = interned(key.method for key in keys)
        status_codes, status = interned(key.status_code for key in keys)
        buckets = [sorted(histogram.buckets.items()) for histogram in histograms]
        columns = {
            name: np.array([getattr(each, name) for each in histograms], np.int64)
            for name in _ROW_COLUMNS
        }
        return cls(
            endpoints=endpoints,
            methods=methods,
            status_codes=status_codes,
            endpoint=endpoint,
            method=method,
            status=status,
            cells=np.array([len(each) for each in buckets], np.int64),
            bucket=np.array([bucket for each in buckets for bucket, _ in each], np.int64),
            bucket_count=np.array([count for each in buckets for _, count in each], np.int64),
            points=points,
            **columns,
        )

    def histograms(self) -> list[RequestHistogram]:
        """The histograms one by one, in their order."""
        bounds = np.concatenate([[0], np.cumsum(self.cells)]).tolist()
        cells = list(zip(self.bucket.tolist(), self.bucket_count.tolist(), strict=True))
        return [
            RequestHistogram(
                series=self.key(row),
                buckets=dict(cells[bounds[row] : bounds[row + 1]]),
                **{name: int(getattr(self, name)[row]) for name in _ROW_COLUMNS},
            )
            for row in range(len(self))
        ]

    def by_span(
        self, ids: Ints, kept: "np.ndarray[tuple[int], np.dtype[np.bool_]]", span_ms: int
    ) -> Iterator[tuple[int, Rollups, int, int]]:
        """The rows for which the mask holds, folded span by span: start, fold, first and last end.

        Times are in ms. `ids` are those of the rows' series.
        """
        number = self.ended_at_ms // span_ms
        row_of_cell = np.repeat(np.arange(len(self)), self.cells)
        for span in np.unique(number[kept]).tolist():
            rows = kept & (number == span)
            cells = rows[row_of_cell]
            ends = self.ended_at_ms[rows]
            folded = Rollups.of_histograms(
                series=ids[rows],
                count=self.count[rows],
                zero_count=self.zero_count[rows],
                sum_ns=self.sum_ns[rows],
                max_ns=self.max_ns[rows],
                series_of_bucket=ids[row_of_cell[cells]],
                bucket=self.bucket[cells],
                bucket_count=self.bucket_count[cells],
            )
            yield span * span_ms, folded, int(ends.min()), int(ends.max())

    def __eq__(self, other: object) -> bool:
        """Whether the same histograms and points come in the same order."""
        return (
            isinstance(other, HistogramBatch)
            and self.histograms() == other.histograms()
            and list(self.points) == list(other.points)
        )

    __hash__ = None  # type: ignore[assignment]


_ROW_COLUMNS = ("started_at_ms", "ended_at_ms", "count", "zero_count", "sum_ns", "max_ns")
