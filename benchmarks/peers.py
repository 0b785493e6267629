"""What a peer of the metrics engine has to do, and what it is asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from opsboard.domain.metrics import MetricsSnapshot
from opsboard.domain.sample import SampleBatch, SeriesKey

QUANTILES = (0.50, 0.95, 0.99)
COLUMNS = "service, route, method, status_code, latency_ns, ended_at_ms"
SERIES = "service, route, method, status_code"

MAX_DIFFERENCE = 0.03
ENOUGH = 5_000

Row: TypeAlias = tuple[str, str, str, int, int, int]


class Latencies(NamedTuple):
    """Of one series: how many requests, and quantiles of their latencies in ms."""

    requests: int
    p50: float
    p95: float
    p99: float


Answer: TypeAlias = Mapping[SeriesKey, Latencies]


class Peer(Protocol):
    """Something else that can answer the question."""

    version: str

    def load(self, chunks: Iterable[SampleBatch]) -> None:
        """Take these samples."""

    def ask(self) -> Answer:
        """Requests and quantiles of every series over the last day."""


Start: TypeAlias = Callable[[Path], AbstractContextManager[Peer]]


class PeerMissing(Exception):
    """The peer is not installed here; the text says what is missing."""


def rows_of(batch: SampleBatch) -> Iterator[Row]:
    """The samples as rows of `COLUMNS`."""
    names = [(*endpoint,) for endpoint in batch.endpoints]
    columns = (batch.endpoint, batch.method, batch.status, batch.latency_ns, batch.ended_at_ms)
    for endpoint, method, status, latency_ns, ended_at_ms in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        yield (
            *names[endpoint],
            batch.methods[method],
            batch.status_codes[status],
            latency_ns,
            ended_at_ms,
        )


def answer_of(snapshot: MetricsSnapshot) -> Answer:
    """The snapshot in the peers' form."""
    return {
        SeriesKey(row.service, row.route, row.method, row.status_code): Latencies(
            row.count, row.p50_ms, row.p95_ms, row.p99_ms
        )
        for row in snapshot.requests
    }


def check_agreement(name: str, ours: Answer, theirs: Answer) -> None:
    """Raises unless both counted the same, and large series' quantiles lie close together."""
    counts = [{key: row.requests for key, row in answer.items()} for answer in (ours, theirs)]
    if counts[0] != counts[1]:
        raise RuntimeError(f"{name} counted other requests than opsboard")
    for key, row in ours.items():
        pairs = zip(row[1:], theirs[key][1:], strict=True)
        if row.requests >= ENOUGH and any(abs(a / b - 1) > MAX_DIFFERENCE for a, b in pairs):
            raise RuntimeError(f"{name} has {theirs[key]} for {key}, opsboard has {row}")
