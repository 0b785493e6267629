"""Questions about single requests: the slowest ones.

The maximum of a day, an hour or a minute is known without its samples. So the spans are looked into
in the order of their maxima, and no further once no other can have anything slower: exact, and of
the samples only those of a few minutes are read.
"""

from collections.abc import Iterator
from heapq import heappop, heappush, nlargest
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from ..domain.entry import Stream
from ..domain.instant import NS_PER_MS, format_ms
from ..domain.sample import Ints, SampleBatch, SeriesKey
from ..domain.tier import COARSEST_FIRST, EVER, Tier, Window
from ..domain.validation import InvalidInput
from .ports import Clock, Journal
from .query_metrics import MetricsQueries, MetricsQuestion, Piece

DEFAULT_SPAN_MS = 3_600_000
DEFAULT_SAMPLES = 10
MAX_SAMPLES = 100
MAX_MINUTES = 1_000
SPANS_AT_ONCE = 48

Wanted = npt.NDArray[np.bool_]


class SlowSample(msgspec.Struct, frozen=True):
    """One request."""

    ts: str
    service: str
    route: str
    method: str
    status_code: int
    latency_ms: float


class _Found(NamedTuple):
    """A request, in the order in which requests are shown: the slowest, and then the newest."""

    latency_ns: int
    ended_at_ms: int
    series: int


class SlowestQueries:
    """Finds the slowest requests whose samples are kept."""

    def __init__(self, metrics: MetricsQueries, journal: Journal, clock: Clock) -> None:
        """Ask `metrics` for maxima and samples; `journal` says since when these are kept."""
        self._metrics = metrics
        self._journal = journal
        self._clock = clock

    async def slowest(
        self,
        question: MetricsQuestion,
        status_code: int | None = None,
        limit: int = DEFAULT_SAMPLES,
    ) -> list[SlowSample]:
        """At most `limit` requests in the question's window (the last hour if it has none).

        Raises `InvalidInput`, `StoreUnavailable`.
        """
        if not 1 <= limit <= MAX_SAMPLES:
            raise InvalidInput.of("limit", f"must be 1-{MAX_SAMPLES}")
        await self._metrics.settle()
        question = await self._bounded(question)
        keys = [seen.key for seen in self._metrics.known.seen]
        wanted = np.array([_is_wanted(question, status_code, key) for key in keys], np.bool_)
        found = await _Search(self._metrics, question, wanted, limit).run()
        return [_shown(each, keys[each.series]) for each in found]

    async def _bounded(self, question: MetricsQuestion) -> MetricsQuestion:
        """The part of the window of which the samples are kept."""
        since, until = question.window
        now_ms = self._clock.now() // NS_PER_MS
        until = now_ms + 1 if until == EVER.until else until
        since = until - DEFAULT_SPAN_MS if since == EVER.since else since
        cut_ms = (await self._journal.cut(Stream.SAMPLES)).recorded_at // NS_PER_MS
        return replace(question, window=Window(max(since, cut_ms, 0), until))


class _Search:
    """One search: spans of time by what they may hold, and what was found so far."""

    def __init__(
        self, metrics: MetricsQueries, question: MetricsQuestion, wanted: Wanted, limit: int
    ) -> None:
        self._metrics = metrics
        self._question = question
        self._wanted = wanted
        self._limit = limit
        self._spans: list[tuple[int, int, Tier]] = []
        self._found: list[_Found] = []

    async def run(self) -> list[_Found]:
        window = self._question.window
        if window.until <= window.since or not self._wanted.any():
            return []
        span = window.until - window.since
        fitting = (tier for tier in COARSEST_FIRST if span >= 2 * tier)
        await self._open(window, next(fitting, Tier.MINUTE))
        minutes = 0
        while self._spans and minutes < MAX_MINUTES:
            bound, start, tier = heappop(self._spans)
            if len(self._found) == self._limit and self._found[-1].latency_ns >= -bound:
                break
            inside = Window(max(start, window.since), min(start + tier, window.until))
            if tier > Tier.MINUTE:
                await self._open(inside, tier.finer)
            else:
                minutes += 1
                await self._read(inside)
        return self._found

    async def _open(self, window: Window, tier: Tier) -> None:
        """Note the maximum of each span of this tier in a window."""
        step = tier * SPANS_AT_ONCE
        for start in range(tier.start_of(window.since), window.until, step):
            part = Window(max(start, window.since), min(start + step, window.until))
            pieces = await self._metrics.pieces(replace(self._question, window=part), tier)
            maxima = await self._metrics.fold(self._maxima, pieces, tier)
            for at, max_ns in maxima.items():
                heappush(self._spans, (-max_ns, at, tier))

    def _maxima(self, pieces: Iterator[Piece], tier: Tier) -> dict[int, int]:
        maxima: dict[int, int] = {}
        for piece in pieces:
            rollups = piece.rollups.only(self._wanted)
            if len(rollups.series):
                at = tier.start_of(piece.start_ms)
                maxima[at] = max(maxima.get(at, 0), int(rollups.max_ns.max()))
        return maxima

    async def _read(self, minute: Window) -> None:
        question = replace(self._question, window=minute)
        parts = await self._metrics.from_samples(
            question, lambda ids, batch: self._slowest_of(ids, batch, minute)
        )
        self._found = nlargest(self._limit, [*self._found, *(each for p in parts for each in p)])

    def _slowest_of(self, ids: Ints, batch: SampleBatch, minute: Window) -> list[_Found]:
        """Of a batch, at most as many as are asked for."""
        known = ids < len(self._wanted)
        kept = known & self._wanted[np.where(known, ids, 0)]
        kept &= (batch.ended_at_ms >= minute.since) & (batch.ended_at_ms < minute.until)
        columns = (batch.latency_ns[kept], batch.ended_at_ms[kept], ids[kept])
        slowest = np.lexsort(columns[::-1])[-self._limit :]
        rows = zip(*(column[slowest].tolist() for column in columns), strict=True)
        return [_Found(*row) for row in rows]


def _is_wanted(question: MetricsQuestion, status_code: int | None, key: SeriesKey) -> bool:
    return question.selection.wants(key) and status_code in {None, key.status_code}


def _shown(found: _Found, key: SeriesKey) -> SlowSample:
    ts, latency_ms = format_ms(found.ended_at_ms), round(found.latency_ns / NS_PER_MS, 6)
    return SlowSample(ts, key.service, key.route, key.method, key.status_code, latency_ms)
