"""Request metrics: what is asked of the samples, and the snapshot that answers."""

import msgspec
import numpy as np
import numpy.typing as npt

from .instant import NS_PER_MS
from .rollup import Rollups
from .sample import SeriesKey
from .series import SeriesTable

FIRST_ERROR_STATUS = 500
QUANTILES = (0.50, 0.95, 0.99)


class Selection(msgspec.Struct, frozen=True):
    """Which series count: exact names."""

    service: str | None = None
    route: str | None = None
    method: str | None = None

    def wants(self, key: SeriesKey) -> bool:
        """Whether the series' samples count."""
        return (
            (self.service is None or self.service == key.service)
            and (self.route is None or self.route == key.route)
            and (self.method is None or self.method == key.method)
        )

    @property
    def is_everything(self) -> bool:
        """Whether no series is left out."""
        return self == EVERYTHING

    def of(self, rollups: Rollups, series: SeriesTable) -> Rollups:
        """The rollups of the wanted series only."""
        return rollups if self.is_everything else rollups.only(self.mask(series))

    def mask(self, series: SeriesTable) -> npt.NDArray[np.bool_]:
        """Whether each series counts, by its id."""
        return np.array([self.wants(seen.key) for seen in series.seen], np.bool_)


EVERYTHING = Selection()


class SeriesSnapshot(msgspec.Struct, frozen=True):
    """One row of the answer: a series, its count, and its latencies in ms (`latency_ms`: mean)."""

    route: str
    method: str
    status_code: int
    latency_ms: float
    service: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class MetricsSnapshot(msgspec.Struct, frozen=True):
    """The whole answer; `errors_total` counts answers of 500 and above."""

    uptime_seconds: float
    requests_total: int
    errors_total: int
    requests: list[SeriesSnapshot]


def snapshot(rollups: Rollups, series: SeriesTable, uptime_ns: int) -> MetricsSnapshot:
    """The answer that these rollups are, `uptime_ns` after the start of the server."""
    rows = sorted(_rows(rollups, series), key=_order)
    return MetricsSnapshot(
        uptime_seconds=round(uptime_ns / 1e9, 3),
        requests_total=int(rollups.count.sum()),
        errors_total=sum(r.count for r in rows if r.status_code >= FIRST_ERROR_STATUS),
        requests=rows,
    )


def _order(row: SeriesSnapshot) -> tuple[str, str, str, int]:
    return (row.service, row.route, row.method, row.status_code)


def _rows(rollups: Rollups, series: SeriesTable) -> list[SeriesSnapshot]:
    mean_ns = rollups.sum_ns / np.maximum(rollups.count, 1)
    latencies = (mean_ns, *map(rollups.quantiles, QUANTILES), rollups.max_ns.astype(np.float64))
    return [
        SeriesSnapshot(
            service=key.service,
            route=key.route,
            method=key.method,
            status_code=key.status_code,
            count=count,
            latency_ms=mean_ms,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            p99_ms=p99_ms,
            max_ms=max_ms,
        )
        for key, count, mean_ms, p50_ms, p95_ms, p99_ms, max_ms in zip(
            map(series.key, rollups.series.tolist()),
            rollups.count.tolist(),
            *(_ms(column) for column in latencies),
            strict=True,
        )
    ]


def _ms(ns: npt.NDArray[np.float64]) -> list[float]:
    """Milliseconds to the nanosecond, so that no rounding adds to a quantile's error."""
    rounded: list[float] = np.round(ns / NS_PER_MS, 6).tolist()
    return rounded
