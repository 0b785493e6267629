"""Questions about request samples: answered from rollups, what is pending, and the samples."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec
import numpy as np

from ..domain.entry import Recorded, Stream
from ..domain.histogram_batch import HistogramBatch
from ..domain.instant import NS_PER_MS, format_instant, parse_duration, parse_instant, window
from ..domain.metrics import EVERYTHING, MetricsSnapshot, Selection, snapshot
from ..domain.pending import Span, by_span
from ..domain.rollup import Rollups
from ..domain.sample import Ints, SampleBatch, SeriesRows
from ..domain.series import SeriesTable
from ..domain.taken_out import taken_out
from ..domain.tier import EVER, Tier, Window
from ..domain.validation import InvalidInput
from .errors import Overloaded, StoreUnavailable
from .ports import Clock, CoveringRollup, Journal, RollupStore
from .project_samples import FOLD_AT_ONCE, SampleProjection
from .readable import read_numbers, readable
from .record import SampleRecorder
from .repeated_merge import RepeatedMerge

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 10
FLUSH_WAIT_SECONDS = 1.0
"""How long an answer waits for the newest samples where the store does not take them."""


class MetricsQuestion(msgspec.Struct, frozen=True):
    """Which series, ended when (ms), and as known at which moment (ns; None: now)."""

    selection: Selection = EVERYTHING
    window: Window = EVER
    as_of: int | None = None


class Piece(msgspec.Struct, frozen=True):
    """Rollups of samples that ended in a span which starts at `start_ms`, and none outside."""

    start_ms: int
    rollups: Rollups


class MetricsAnswer(msgspec.Struct, frozen=True):
    """What a question finds: rollups of the wanted series, and the time since the start in ns."""

    rollups: Rollups
    series: SeriesTable
    uptime_ns: int


class MetricsQueries:
    """Answers from the projection and its rollups, and reads samples only where a window cuts."""

    def __init__(
        self,
        journal: Journal,
        samples: SampleRecorder,
        projection: SampleProjection,
        rollups: RollupStore,
        clock: Clock,
    ) -> None:
        """Uptime counts from now, by `clock`."""
        self._journal = journal
        self._samples = samples
        self._projection = projection
        self._rollups = rollups
        self._clock = clock
        self._repeated = RepeatedMerge()
        self._started = clock.now()
        self._started_monotonic = clock.monotonic()

    async def snapshot(self, question: MetricsQuestion) -> MetricsSnapshot:
        """The metrics that the question asks for.

        Every sample observed in this process before the call is in it, unless the journal can
        not take it now. Raises `InvalidInput`, `StoreUnavailable`.
        """
        answer = await self.answer(question)
        return await asyncio.to_thread(snapshot, answer.rollups, answer.series, answer.uptime_ns)

    async def answer(self, question: MetricsQuestion) -> MetricsAnswer:
        """What `snapshot` sums up, with its histograms."""
        await self.settle()
        projection = self._projection
        if question.window == EVER and question.as_of is None:
            async with projection.standing:
                rollups = await asyncio.to_thread(lambda: projection.total)
        else:
            stored, others = await self._found(question, Tier.DAY)
            rollups = await self.fold(self._merged, stored, others)
        wanted = question.selection.of(rollups, projection.series)
        return MetricsAnswer(wanted, projection.series, self._uptime(question.as_of))

    def _merged(self, stored: list[CoveringRollup], others: Sequence[Piece]) -> Rollups:
        parts = [self._repeated.merged(stored), *(piece.rollups for piece in others)]
        return Rollups.merged_in_turn(taken_out(parts))

    @property
    def known(self) -> SeriesTable:
        """Every series that was seen by now."""
        return self._projection.series

    async def settle(self) -> None:
        """Bring the projection up to what was observed in this process by now."""
        with suppress(StoreUnavailable, Overloaded, TimeoutError):
            async with asyncio.timeout(FLUSH_WAIT_SECONDS):
                await self._samples.flush()
        await self._projection.catch_up()

    async def pieces(
        self, question: MetricsQuestion, step_ms: int = Tier.DAY, *, histograms: bool = True
    ) -> Iterator[Piece]:
        """The samples that the window holds, in pieces none of which lies in two steps.

        Stored pieces are unpacked as they are taken, which raises `StoreUnavailable` for one that
        is damaged; without `histograms`, theirs may be empty. Raises `InvalidInput` where `as_of`
        lies before the oldest sample that is kept.
        """
        stored, others = await self._found(question, step_ms, histograms=histograms)
        return chain((Piece(each.start_ms, each.rollups) for each in taken_out(stored)), others)

    async def _found(
        self, question: MetricsQuestion, step_ms: int, *, histograms: bool = True
    ) -> tuple[list[CoveringRollup], list[Piece]]:
        """The pieces that a store has, and the others."""
        for _ in range(TRIES):
            try:
                stored, pending, cuts = await self._look(question, step_ms, histograms=histograms)
                for cut in cuts:
                    pending += await self._from_samples(question.window, cut, step_ms)
            except _Moved:
                await self._projection.catch_up()
            else:
                return stored, pending
        raise StoreUnavailable("the samples asked for are being moved; try again")

    async def fold(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` makes of pieces, on a thread; one such work at a time."""
        async with self._projection.merging:
            return await asyncio.to_thread(work, *args, **kwargs)

    async def from_samples(
        self, question: MetricsQuestion, take: Callable[[Ints, SampleBatch], T]
    ) -> list[T]:
        """What `take` makes of each batch that has samples in the window, and of its series' ids.

        Batches have others, too. Raises what `pieces` does.
        """
        for _ in range(TRIES):
            try:
                # No rollup is that short: everything is to be cut out of samples.
                _, _, cuts = await self._look(question, 1)
                return [each for cut in cuts for each in await self._taken(cut, take)]
            except _Moved:
                await self._projection.catch_up()
        raise StoreUnavailable("the samples asked for are being moved; try again")

    async def _taken(self, cut: "_Cut", take: Callable[[Ints, SampleBatch], T]) -> list[T]:
        found: list[T] = []
        read = 0
        for part in _parts(cut.numbers):
            entries: list[Recorded] = []
            async for page in read_numbers(self._journal, Stream.SAMPLES, part):
                entries += page
            read += len(entries)
            batches = readable(self._journal, entries, SampleBatch, self._projection.leave_out)
            found += await asyncio.to_thread(self._each_taken, batches, take)
        if read < len(cut.numbers):
            raise _Moved
        return found

    def _each_taken(
        self,
        batches: Iterator[tuple[int, SampleBatch]],
        take: Callable[[Ints, SampleBatch], T],
    ) -> list[T]:
        return [take(self._projection.series.ids_of(batch), batch) for _, batch in batches]

    async def _look(
        self, question: MetricsQuestion, step_ms: int, *, histograms: bool = True
    ) -> tuple[list[CoveringRollup], list[Piece], list["_Cut"]]:
        """What lies within as a whole, stored and pending, and what has to be cut out of samples.

        All are of one moment: the store's checkpoint is where `pending` starts.
        """
        projection, window = self._projection, question.window
        tiers = [tier for tier in Tier if step_ms % tier == 0]
        async with projection.standing:
            upto = await self._upto(question.as_of)
            of_stored = None if upto is not None and upto >= projection.saved_upto else upto
            stored = await self._rollups.covering(window, tiers, of_stored, histograms=histograms)
            if stored.checkpoint != projection.saved_upto:
                await projection.reload()
                raise _Moved
            whole, pending = self._pending(window, upto, whole=Tier.MINUTE in tiers)
        return stored.rollups, whole, [_Cut(frozenset(stored.partial), stored.entries), pending]

    async def _upto(self, as_of: int | None) -> int | None:
        """The last entry that was recorded by then; None where that is all there is."""
        if as_of is None:
            return None
        cut = await self._journal.cut(Stream.SAMPLES)
        if as_of < cut.recorded_at:
            oldest = format_instant(cut.recorded_at)
            raise InvalidInput.of("as_of", f"must not lie before {oldest}: older samples are gone")
        upto = await self._journal.number_at(Stream.SAMPLES, as_of)
        return None if upto >= self._projection.checkpoint else upto

    def _pending(
        self, window: Window, upto: int | None, *, whole: bool
    ) -> tuple[list[Piece], "_Cut"]:
        """Of what is not stored: minutes that count as a whole, if any may, and those to cut."""
        pending = self._projection.pending
        found: list[Piece] = []
        cut: set[int] = set()
        for minute, part in pending.minutes.items():
            if whole and upto is None and window.holds(part.first_ms, part.last_ms):
                found.append(Piece(minute, part.rollups))
            elif part.first_ms < window.until and part.last_ms >= window.since:
                cut.add(minute)
        numbers = {
            number
            for minute, number in pending.entries
            if minute in cut and (upto is None or number <= upto)
        }
        return found, _Cut(frozenset(cut), sorted(numbers))

    async def _from_samples(self, window: Window, cut: "_Cut", step_ms: int) -> list[Piece]:
        """The samples of the cut minutes, as far as the window holds them."""
        span_ms = min(step_ms, Tier.MINUTE)
        found: list[Piece] = []
        read = 0
        minutes = np.array(sorted(cut.minutes), np.int64)
        for part in _parts(cut.numbers):
            entries: list[Recorded] = []
            async for page in read_numbers(self._journal, Stream.SAMPLES, part):
                entries += page
            read += len(entries)
            found += await asyncio.to_thread(self._folded, window, minutes, entries, span_ms)
        if read < len(cut.numbers):
            raise _Moved
        return found

    def _folded(
        self, window: Window, minutes: Ints, entries: Sequence[Recorded], span_ms: int
    ) -> list[Piece]:
        """The samples that count, folded span by span; on a thread, since it takes its time."""
        found = readable(self._journal, entries, SeriesRows, self._projection.leave_out)
        spans: list[Span] = []
        columns = []
        for _, batch in found:
            kept = _is_cut_out(batch, window, minutes)
            ids = self._projection.series.ids_of(batch)
            if isinstance(batch, HistogramBatch):
                spans += batch.by_span(ids, kept, span_ms)
            elif isinstance(batch, SampleBatch):
                columns.append((ids[kept], batch.latency_ns[kept], batch.ended_at_ms[kept]))
        if columns:
            ids, latency_ns, ended_at_ms = map(np.concatenate, zip(*columns, strict=True))
            if len(ids):
                spans += by_span(ids, latency_ns, ended_at_ms, span_ms)
        return [Piece(start, rollups) for start, rollups, _, _ in spans]

    def _uptime(self, as_of: int | None) -> int:
        if as_of is None:
            return self._clock.monotonic() - self._started_monotonic
        return max(0, min(as_of, self._clock.now()) - self._started)

    def question(
        self,
        *,
        service: str | None = None,
        route: str | None = None,
        method: str | None = None,
        last: str | None = None,
        since: str | None = None,
        until: str | None = None,
        as_of: str | None = None,
    ) -> MetricsQuestion:
        """The question that a caller's words mean (`last="15m"`, RFC 3339 times).

        `last` ends at `as_of`, or now. Raises `InvalidInput` naming the parameter.
        """
        moment = None if as_of is None else parse_instant(as_of, "as_of")
        if last is not None:
            if since is not None or until is not None:
                raise InvalidInput.of("last", "goes without since and until")
            end = self._clock.now() if moment is None else moment
            start = max(0, end - parse_duration(last, "last"))
            asked = Window(-(-start // NS_PER_MS), end // NS_PER_MS + 1)
        else:
            asked = _window(*window(since=since, until=until))
        return MetricsQuestion(Selection(service, route, method), asked, moment)


class _Moved(Exception):
    """Another process rolled up, or retention removed, what was about to be read."""


class _Cut(NamedTuple):
    """Minutes of which only a part counts, and the entries that have samples in them."""

    minutes: frozenset[int]
    numbers: Sequence[int]


def _is_cut_out(
    rows: SeriesRows, window: Window, minutes: Ints
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which rows ended in one of the minutes and in the window."""
    ended_at_ms = rows.ended_at_ms
    kept = np.isin(ended_at_ms - ended_at_ms % Tier.MINUTE, minutes)
    kept &= (ended_at_ms >= window.since) & (ended_at_ms < window.until)
    return kept


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + FOLD_AT_ONCE] for at in range(0, len(numbers), FOLD_AT_ONCE))


def _window(since: int | None, until: int | None) -> Window:
    """The whole ms within [since, until) in ns."""
    return Window(
        EVER.since if since is None else -(-since // NS_PER_MS),
        EVER.until if until is None else -(-until // NS_PER_MS),
    )
