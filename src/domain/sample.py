"""Request samples: one served HTTP request each, and the batches in which they travel."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

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


class RequestSample(msgspec.Struct, frozen=True, gc=False):
    """One served HTTP request: its series, latency in ns, and end in ns since 1970."""

    series: SeriesKey
    latency_ns: int
    ended_at: int


class SampleBatch(msgspec.Struct, frozen=True):
    """Samples as columns of one length: index into `series`, latency, end (ns since 1970)."""

    series: list[SeriesKey]
    series_index: list[int]
    latency_ns: list[int]
    ended_at: list[int]

    @classmethod
    def of(cls, samples: Sequence[RequestSample]) -> Self:
        """The batch that holds these samples, in their order."""
        index: dict[SeriesKey, int] = {}
        return cls(
            series_index=[index.setdefault(sample.series, len(index)) for sample in samples],
            latency_ns=[sample.latency_ns for sample in samples],
            ended_at=[sample.ended_at for sample in samples],
            series=list(index),
        )

    def by_series(self) -> dict[SeriesKey, tuple[list[int], list[int]]]:
        """Latencies and ends, in ns and in their order, of each series in the batch."""
        columns: list[tuple[list[int], list[int]]] = [([], []) for _ in self.series]
        for i, latency_ns, ended_at in zip(
            self.series_index, self.latency_ns, self.ended_at, strict=True
        ):
            latencies, ends = columns[i]
            latencies.append(latency_ns)
            ends.append(ended_at)
        return dict(zip(self.series, columns, strict=True))

    def __len__(self) -> int:
        """How many samples the batch holds."""
        return len(self.latency_ns)


def columns_of_rows(batch: dict[str, Any]) -> dict[str, Any]:
    """The first encoding of a batch, a row for each sample, as columns."""
    batch_of_rows = SampleBatch.of(
        [RequestSample(SeriesKey(*key), latency, end) for *key, latency, end in batch["rows"]]
    )
    built: dict[str, Any] = msgspec.to_builtins(batch_of_rows)
    return built
