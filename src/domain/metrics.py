"""Request metrics: the fold over sample batches behind `GET /metrics`."""

import msgspec

from .histogram import ExponentialHistogram
from .instant import NS_PER_MS
from .sample import SampleBatch, SeriesKey

FIRST_ERROR_STATUS = 500


class Selection(msgspec.Struct, frozen=True):
    """Which samples count: exact names, and the window [since, until) of their ends in ns."""

    service: str | None = None
    route: str | None = None
    method: str | None = None
    since: int | None = None
    until: int | None = None

    def wants(self, key: SeriesKey) -> bool:
        """Whether the series' samples count at all."""
        return (
            (self.service is None or self.service == key.service)
            and (self.route is None or self.route == key.route)
            and (self.method is None or self.method == key.method)
        )

    def within(self, latencies: list[int], ends: list[int]) -> list[int]:
        """The latencies whose requests ended within the window."""
        if self.since is None and self.until is None:
            return latencies
        since = self.since if self.since is not None else min(ends, default=0)
        until = self.until if self.until is not None else max(ends, default=0) + 1
        return [
            latency for latency, end in zip(latencies, ends, strict=True) if since <= end < until
        ]


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


class RequestMetrics:
    """The fold: a histogram for each series."""

    def __init__(self, series: dict[SeriesKey, ExponentialHistogram] | None = None) -> None:
        """Start empty, or from the series of a saved fold."""
        self.series = {} if series is None else series

    def evolve(self, batch: SampleBatch, selection: Selection = EVERYTHING) -> None:
        """Count the batch's samples that the selection wants."""
        for key, (latencies, ends) in batch.by_series().items():
            if not selection.wants(key):
                continue
            counted = selection.within(latencies, ends)
            if counted:
                self.series.setdefault(key, ExponentialHistogram()).add(counted)

    def snapshot(self, uptime_ns: int, selection: Selection = EVERYTHING) -> MetricsSnapshot:
        """The answer for the series that the selection names, `uptime_ns` after the start."""
        rows = [_row(key, self.series[key]) for key in sorted(self.series) if selection.wants(key)]
        return MetricsSnapshot(
            uptime_seconds=round(uptime_ns / 1e9, 3),
            requests_total=sum(row.count for row in rows),
            errors_total=sum(r.count for r in rows if r.status_code >= FIRST_ERROR_STATUS),
            requests=rows,
        )

    def dump(self) -> bytes:
        """The fold's state; equal states give equal bytes."""
        rows = [
            (*key, h.count, h.zero_count, h.sum_ns, h.max_ns, sorted(h.buckets.items()))
            for key, h in sorted(self.series.items())
        ]
        return msgspec.msgpack.encode(rows)

    @classmethod
    def load(cls, state: bytes) -> "RequestMetrics":
        """The fold whose state was dumped. Raises `msgspec.MsgspecError` where it is damaged."""
        series = {}
        for service, route, method, status_code, *totals, buckets in _STATE.decode(state):
            count, zero_count, sum_ns, max_ns = totals
            series[SeriesKey(service, route, method, status_code)] = ExponentialHistogram(
                dict(buckets), zero_count, count, sum_ns, max_ns
            )
        return cls(series)


_STATE = msgspec.msgpack.Decoder(
    list[tuple[str, str, str, int, int, int, int, int, list[tuple[int, int]]]]
)


def _row(key: SeriesKey, histogram: ExponentialHistogram) -> SeriesSnapshot:
    return SeriesSnapshot(
        service=key.service,
        route=key.route,
        method=key.method,
        status_code=key.status_code,
        count=histogram.count,
        latency_ms=_ms(histogram.mean_ns),
        p50_ms=_ms(histogram.quantile(0.50)),
        p95_ms=_ms(histogram.quantile(0.95)),
        p99_ms=_ms(histogram.quantile(0.99)),
        max_ms=_ms(histogram.max_ns),
    )


def _ms(ns: float) -> float:
    """Milliseconds to the nanosecond, so that no rounding adds to a quantile's error."""
    return round(ns / NS_PER_MS, 6)
