"""What tests put in the place of time, chance, and a disk that fails."""

from collections.abc import AsyncIterator, Sequence

from opsboard.application.ports import Appended, Journal
from opsboard.application.sink import SampleSink
from opsboard.domain.entry import Entry, Head, IdempotencyKey, Recorded, Stream
from opsboard.domain.histogram import ExponentialHistogram
from opsboard.domain.histogram_batch import RequestHistogram
from opsboard.domain.sample import RequestSample, SeriesKey

START_NS = 1_769_850_000_000_000_000
"""2026-01-31T09:00:00Z."""
SECOND_NS = 1_000_000_000


class ManualClock:
    """Stands still until it is told to go on."""

    def __init__(self, now: int = START_NS) -> None:
        self.time = now
        self.elapsed = 0

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.elapsed

    def advance(self, ns: int) -> None:
        self.time += ns
        self.elapsed += ns


class CountingIds:
    """0...01, 0...02, and so on."""

    def __init__(self) -> None:
        self.given = 0

    def new(self) -> str:
        self.given += 1
        return f"{self.given:032x}"


class FailingJournal:
    """Another journal, whose appends fail with `error` while that is set.

    With `after_appending` the entry is recorded and the failure comes after it, as when a
    connection breaks before the answer.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.error: Exception | None = None
        self.after_appending = False
        self.failed = 0

    async def append(
        self, stream: Stream, entries: Sequence[Entry], key: IdempotencyKey | None = None
    ) -> Appended:
        if self.error is None or self.after_appending:
            appended = await self.journal.append(stream, entries, key)
        if self.error is not None:
            self.failed += 1
            raise self.error
        return appended

    def read(
        self, stream: Stream, after: int = 0, until: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        return self.journal.read(stream, after, until)

    def follow(self, stream: Stream, after: int = 0) -> AsyncIterator[Sequence[Recorded]]:
        return self.journal.follow(stream, after)

    async def head(self, stream: Stream) -> Head:
        return await self.journal.head(stream)

    async def cut(self, stream: Stream) -> Head:
        return await self.journal.cut(stream)

    async def trim(self, stream: Stream, upto: int) -> None:
        await self.journal.trim(stream, upto)

    async def number_at(self, stream: Stream, moment: int) -> int:
        return await self.journal.number_at(stream, moment)

    async def size(self, stream: Stream) -> tuple[int, int]:
        return await self.journal.size(stream)

    def decode(self, recorded: Recorded) -> Entry:
        return self.journal.decode(recorded)

    async def restore(self, entries: Sequence[Recorded]) -> None:
        await self.journal.restore(entries)

    async def restore_cut(self, stream: Stream, cut: Head) -> None:
        await self.journal.restore_cut(stream, cut)


def sample(
    route: str = "/cart/{id}",
    *,
    method: str = "GET",
    status: int = 200,
    service: str = "shop",
    ms: float = 1.0,
    ended_at: int = START_NS,
) -> RequestSample:
    return RequestSample(SeriesKey(service, route, method, status), int(ms * 1e6), ended_at)


def measured(
    key: SeriesKey, latencies_ns: Sequence[int], ended_at: int = START_NS, lasted: int = SECOND_NS
) -> RequestHistogram:
    """What a client at scale 5 measures of requests that ended in a span of time."""
    histogram = ExponentialHistogram()
    histogram.add_all(latencies_ns)
    return RequestHistogram(
        series=key,
        started_at_ms=(ended_at - lasted) // 10**6,
        ended_at_ms=ended_at // 10**6,
        count=histogram.count,
        zero_count=histogram.zero_count,
        sum_ns=histogram.sum_ns,
        max_ns=histogram.max_ns,
        buckets=histogram.buckets,
    )


def observe(sink: SampleSink, *samples: RequestSample) -> None:
    """Hand the samples to a sink as the middleware does."""
    for each in samples:
        sink.observe(sink.series(each.series), each.latency_ns, each.ended_at)


async def entries(journal: Journal, stream: Stream, after: int = 0) -> list[Recorded]:
    return [recorded async for page in journal.read(stream, after) for recorded in page]
