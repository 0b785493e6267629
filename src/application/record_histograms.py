"""Histograms that others measured become entries of the journal, each request counted once."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from ..domain.cumulative import CumulativePoint, NotCounted, growth
from ..domain.entry import IdempotencyKey, Stream
from ..domain.histogram_batch import HistogramBatch, RequestHistogram
from ..domain.instant import NS_PER_MS, format_ms
from ..domain.measured import MeasuredHistogram, UnusableHistogram
from ..domain.recent_ids import Mask
from ..domain.sample import MAX_AHEAD_MS, SampleBatch, SeriesKey
from .cardinality import SeriesLimit
from .intake import KEPT, REJECTED, Intake
from .ports import Clock, Journal
from .project_samples import SampleProjection
from .record import SampleRecorder

DATA_POINTS = "data points"
MAX_ROWS = 4_096
MAX_STREAMS = 50_000
ONE_SOURCE_MS = 600_000
"""A service counts by its samples or by its histograms, never by both within this time."""
AT_ONCE = 200
"""After so many, other requests have their turn."""


class SentHistogram(msgspec.Struct, frozen=True):
    """The requests of a series in (`started_ns`, `ended_ns`], as they were sent.

    Times are ns since 1970; a start of 0 is unknown. With `stream`, the name (16 bytes) of a
    counter that started then, they are all that it ever counted. `metric` is the name that a
    reason gives them.
    """

    series: SeriesKey
    started_ns: int
    ended_ns: int
    histogram: MeasuredHistogram
    stream: bytes | None = None
    metric: str = ""


class HistogramRecorder:
    """Records histograms; what counts is decided one request after the other."""

    def __init__(
        self,
        journal: Journal,
        samples: SampleRecorder,
        projection: SampleProjection,
        series_limit: SeriesLimit,
        clock: Clock,
        *,
        intake: Intake,
    ) -> None:
        """Append to `journal`; `projection` knows what counters stood at, and who sends samples.

        What is kept and what is not is counted in `intake`.
        """
        self._journal = journal
        self._samples = samples
        self._projection = projection
        self._series_limit = series_limit
        self._clock = clock
        self._intake = intake
        self._recording = asyncio.Lock()

    async def record(
        self, sent: Sequence[SentHistogram], key: IdempotencyKey, faults: Counter[str]
    ) -> Counter[str]:
        """Record what counts, as one; how many do not count, by reason, `faults` among them.

        With a key that was used within 24 hours for the same thing, nothing is recorded. Raises
        `IdempotencyClash`, `Overloaded`, `StoreUnavailable`.
        """
        async with self._recording:
            await self._samples.flush()
            await self._projection.catch_up()
            draft = _Draft(self._projection, self._clock.now(), self._samples.oldest_ms)
            for number, each in enumerate(sent, start=1):
                draft.add(each)
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)
            entries = list(self._entries(draft))
            if entries:
                await self._journal.append(Stream.SAMPLES, entries, key)
        refused = faults + draft.refused
        self._intake.count(DATA_POINTS, KEPT, len(sent) - draft.refused.total())
        self._intake.count(DATA_POINTS, REJECTED, refused.total())
        return refused

    def _entries(self, draft: "_Draft") -> Iterator[HistogramBatch]:
        """The draft in parts of at most `MAX_ROWS`, within the limit of series."""
        points = list(draft.newest.values())
        for start in range(0, max(len(draft.counted), len(points)), MAX_ROWS):
            rows = [
                msgspec.structs.replace(each, series=self._series_limit.admit(each.series))
                for each in draft.counted[start : start + MAX_ROWS]
            ]
            yield HistogramBatch.of(rows, points[start : start + MAX_ROWS])

    @property
    def some_counted(self) -> bool:
        """Whether there is a service of which a histogram counted."""
        return bool(self._projection.series.measured)

    def already_counted(self, batch: SampleBatch) -> Mask:
        """Which samples are of requests that a histogram of their service has counted already.

        A tracer sends its spans when it likes: mostly before the histogram of the same time, which
        then does not count; sometimes after it.
        """
        measured = self._projection.series.measured
        newest = np.array([measured.get(each.service, -1) for each in batch.endpoints], np.int64)
        behind = newest[batch.endpoint] - batch.ended_at_ms
        found: Mask = (behind >= 0) & (behind < ONE_SOURCE_MS)
        return found


class _Draft:
    """What one request comes to: histograms that count, where counters stand, what is refused."""

    def __init__(self, projection: SampleProjection, now_ns: int, oldest_ms: int) -> None:
        self.counted: list[RequestHistogram] = []
        self.newest: dict[bytes, CumulativePoint] = {}
        self.refused: Counter[str] = Counter()
        self._streams = projection.streams
        self._sampled = projection.series.sampled()
        self._now_ns = now_ns
        self._oldest_ms = oldest_ms

    def add(self, sent: SentHistogram) -> None:
        try:
            self._check_time(sent)
            sent.histogram.check()
            self._count(sent)
        except (UnusableHistogram, NotCounted) as reason:
            self.refused[f"{sent.metric}: {reason}" if sent.metric else str(reason)] += 1

    def _check_time(self, sent: SentHistogram) -> None:
        ended_at_ms = sent.ended_ns // NS_PER_MS
        if ended_at_ms < self._oldest_ms:
            raise UnusableHistogram(f"must not end before {format_ms(self._oldest_ms)}")
        if ended_at_ms > self._now_ns // NS_PER_MS + MAX_AHEAD_MS:
            raise UnusableHistogram("must end at most a day ahead of the server's clock")

    def _count(self, sent: SentHistogram) -> None:
        if sent.stream is None:
            since_ns, histogram = sent.started_ns or sent.ended_ns, sent.histogram
        else:
            point = CumulativePoint(sent.stream, sent.ended_ns, sent.histogram)
            known = self.newest.get(sent.stream) or self._streams.newest(sent.stream)
            self._note(point, known)
            grown = growth(known, point, sent.started_ns, self._now_ns)
            if grown is None:
                return
            since_ns, histogram = grown
        if not histogram.count:
            return
        self._check_source(sent)
        spread = histogram.spread()
        ended_at_ms = sent.ended_ns // NS_PER_MS
        self.counted.append(
            RequestHistogram(
                series=sent.series.in_unicode(),
                started_at_ms=min(since_ns // NS_PER_MS, ended_at_ms),
                ended_at_ms=ended_at_ms,
                count=histogram.count,
                zero_count=spread.zero_count,
                sum_ns=histogram.sum_ns,
                max_ns=spread.max_ns,
                buckets=spread.buckets,
            )
        )

    def _note(self, point: CumulativePoint, known: CumulativePoint | None) -> None:
        """Keep where a counter stands, also where it does not count: it never does later."""
        if known is None:
            if len(self._streams) + len(self.newest) >= MAX_STREAMS:
                raise NotCounted(f"there are more counters than the {MAX_STREAMS} that are kept")
        elif not known.is_followed_by(point):
            return
        self.newest[point.stream] = point

    def _check_source(self, sent: SentHistogram) -> None:
        """Raises `NotCounted` where the service sends samples of its requests, too."""
        newest = self._sampled.get(sent.series.service, -1)
        if newest > sent.ended_ns // NS_PER_MS - ONE_SOURCE_MS:
            service = sent.series.service
            raise NotCounted(f"spans or samples count the requests of {service} already")
