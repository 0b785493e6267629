"""What metrics are, in a few slow lines: the oracle of the engine's tests."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from opsboard.domain.instant import NS_PER_SECOND, format_instant
from opsboard.domain.metrics import MetricsSnapshot
from opsboard.domain.sample import RequestSample, SeriesKey

NS_PER_MS = 1_000_000
BOUND = 0.011


class Asked(NamedTuple):
    """A question in ns; [since, until), or the `last` ns up to a moment, that moment included."""

    service: str | None = None
    route: str | None = None
    method: str | None = None
    since: int | None = None
    until: int | None = None
    last: int | None = None
    as_of: int | None = None

    def words(self) -> dict[str, str | None]:
        """As a caller puts it."""
        return {
            "service": self.service,
            "route": self.route,
            "method": self.method,
            "since": instant(self.since),
            "until": instant(self.until),
            "last": None if self.last is None else f"{self.last // NS_PER_SECOND}s",
            "as_of": instant(self.as_of),
        }

    def wants(self, sample: RequestSample, now: int) -> bool:
        key, end = sample.series, sample.ended_at // NS_PER_MS * NS_PER_MS
        if (self.service or key.service, self.route or key.route, self.method or key.method) != (
            key.service,
            key.route,
            key.method,
        ):
            return False
        if self.last is not None:
            moment = now if self.as_of is None else self.as_of
            return moment - self.last <= end <= moment
        return (self.since is None or self.since <= end) and (
            self.until is None or end < self.until
        )


def instant(ns: int | None) -> str | None:
    """RFC 3339 to the ns."""
    if ns is None:
        return None
    return f"{format_instant(ns)[:-5]}.{ns % NS_PER_SECOND:09d}Z"


class Log:
    """Every entry as it was recorded: at which moment, with which samples.

    A measured histogram is the samples that it was measured of, all ended when it ended.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[int, Sequence[RequestSample]]] = []

    def record(self, now: int, samples: Sequence[RequestSample]) -> None:
        """The time of recording never falls."""
        self.entries.append((max([now, *self.moments[-1:]]), samples))

    @property
    def moments(self) -> list[int]:
        return [recorded_at for recorded_at, _ in self.entries]

    def found(self, asked: Asked, now: int) -> list[RequestSample]:
        return [
            sample
            for recorded_at, samples in self.entries
            if asked.as_of is None or recorded_at <= asked.as_of
            for sample in samples
            if asked.wants(sample, now)
        ]


def check(snapshot: MetricsSnapshot, samples: Iterable[RequestSample]) -> None:
    """That a snapshot is what counting the samples gives, quantiles within the bound."""
    by_key: dict[SeriesKey, list[int]] = {}
    for sample in samples:
        by_key.setdefault(sample.series, []).append(sample.latency_ns)
    rows = {
        SeriesKey(row.service, row.route, row.method, row.status_code): row
        for row in snapshot.requests
    }
    assert {key: row.count for key, row in rows.items()} == {k: len(v) for k, v in by_key.items()}
    assert list(rows) == sorted(rows)
    assert snapshot.requests_total == sum(map(len, by_key.values()))
    assert snapshot.errors_total == sum(len(v) for k, v in by_key.items() if k.status_code >= 500)
    for key, latencies in by_key.items():
        row = rows[key]
        assert row.latency_ms == pytest.approx(sum(latencies) / len(latencies) / 1e6, abs=1e-6)
        assert row.max_ms == max(latencies) / 1e6
        for q, quantile_ms in ((0.5, row.p50_ms), (0.95, row.p95_ms), (0.99, row.p99_ms)):
            exact = sorted(latencies)[math.ceil(q * len(latencies)) - 1]
            assert quantile_ms * 1e6 == pytest.approx(exact, rel=BOUND)
