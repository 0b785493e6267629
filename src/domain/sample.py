"""Request samples: one served HTTP request each, and the batches in which they travel."""

from typing import NamedTuple, Self

import msgspec

UNMATCHED_ROUTE = "(unmatched)"
OTHER_METHOD = "_OTHER"
KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)


class SeriesKey(NamedTuple):
    """What tells one series from another; sorts as `GET /metrics` does."""

    service: str
    route: str
    method: str
    status_code: int


class RequestSample(NamedTuple):
    """One served HTTP request: its series, latency in ns, and end in ns since 1970."""

    series: SeriesKey
    latency_ns: int
    ended_at: int


class SampleBatch(msgspec.Struct, frozen=True):
    """Samples as rows: (service, route, method, status code, latency in ns, end in ns)."""

    rows: list[tuple[str, str, str, int, int, int]]

    @classmethod
    def of(cls, samples: list[RequestSample]) -> Self:
        """The batch that holds these samples, in their order."""
        return cls([(*s.series, s.latency_ns, s.ended_at) for s in samples])

    def by_series(self) -> dict[SeriesKey, tuple[list[int], list[int]]]:
        """Latencies and ends, in ns and in their order, of each series in the batch."""
        columns: dict[SeriesKey, tuple[list[int], list[int]]] = {}
        for service, route, method, status_code, latency_ns, ended_at in self.rows:
            key = SeriesKey(service, route, method, status_code)
            latencies, ends = columns.setdefault(key, ([], []))
            latencies.append(latency_ns)
            ends.append(ended_at)
        return columns

    def __len__(self) -> int:
        """How many samples the batch holds."""
        return len(self.rows)
