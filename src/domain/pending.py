"""The fold of the requests that are not rolled up in a store yet, minute by minute."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import TypeAlias

import numpy as np

from .histogram_batch import HistogramBatch
from .of_each import greatest_of_each, least_of_each
from .rollup import Rollups
from .sample import Ints, SampleBatch, SeriesRows
from .series import SeriesTable
from .tier import EVER, Tier

Span: TypeAlias = tuple[int, Rollups, int, int]
"""What ended in a span of time: its start, the fold, the first and the last end, in ms."""

_MERGE_AT = 32
_MAX_FOLDED = 1 << 20
_WORTH_A_FOLD = 8192
_MAX_KEPT = 1 << 18


class Pending:
    """What one span of time got since the last checkpoint."""

    __slots__ = ("_parts", "first_ms", "last_ms")

    def __init__(self) -> None:
        """Nothing yet."""
        self._parts: list[Rollups] = []
        self.first_ms = EVER.until
        self.last_ms = EVER.since

    def add(self, rollups: Rollups, first_ms: int, last_ms: int) -> None:
        """Count these too."""
        self._parts.append(rollups)
        self.first_ms = min(self.first_ms, first_ms)
        self.last_ms = max(self.last_ms, last_ms)
        if len(self._parts) >= _MERGE_AT:
            self._parts = [Rollups.merged(self._parts)]

    @property
    def rollups(self) -> Rollups:
        """Everything that was added, as one."""
        if len(self._parts) != 1:
            self._parts = [Rollups.merged(self._parts)]
        return self._parts[0]


class _Room:
    """Memory for a column, kept: to get it anew each time takes as long as filling it."""

    def __init__(self) -> None:
        """None yet."""
        self._kept: Ints = np.empty(0, np.int64)

    def joined(
        self, batches: Sequence[SampleBatch], column_of: Callable[[SampleBatch], Ints]
    ) -> Ints:
        """A column of all batches, one after the other; what was joined before is gone."""
        if len(batches) == 1:
            return column_of(batches[0])
        room = self._of(sum(map(len, batches)))
        at = 0
        for batch in batches:
            room[at : at + len(batch)] = column_of(batch)
            at += len(batch)
        return room

    def _of(self, length: int) -> Ints:
        if length > _MAX_KEPT:
            return np.empty(length, np.int64)
        if length > len(self._kept):
            self._kept = np.empty(length, np.int64)
        return self._kept[:length]


class PendingMinutes:
    """A fold over batches: a `Pending` for each minute, and which entries made it.

    A histogram counts in the minute in which it ended, as a whole.
    """

    def __init__(self, series: SeriesTable) -> None:
        """Count series by their ids in `series`, which learns the new ones."""
        self.series = series
        self.minutes: dict[int, Pending] = {}
        self.entries: list[tuple[int, int]] = []
        """Minute (its start in ms) and number of each entry, once for each minute it touches."""
        self._ids, self._latency_ns, self._ended_at_ms = _Room(), _Room(), _Room()

    def evolve(self, batches: Sequence[tuple[int, SeriesRows]]) -> None:
        """Count what is in these entries, each with its number."""
        some = [(number, batch) for number, batch in batches if len(batch)]
        # In runs: series are numbered in the order of the journal, however much is folded at once.
        for kind, run in groupby(some, lambda entry: type(entry[1])):
            numbers, of_run = zip(*run, strict=True)
            fold = self._samples if kind is SampleBatch else self._histograms
            for minute, rollups, first_ms, last_ms in fold(numbers, of_run):
                self.minutes.setdefault(minute, Pending()).add(rollups, first_ms, last_ms)

    def _samples(self, numbers: Sequence[int], run: Sequence[SampleBatch]) -> Iterator[Span]:
        """What samples fold to, minute by minute."""
        joined = SampleBatch.joined(run)
        ids = self._ids.joined(joined, self.series.ids_of)
        latency_ns = self._latency_ns.joined(joined, attrgetter("latency_ns"))
        ended_at_ms = self._ended_at_ms.joined(joined, attrgetter("ended_at_ms"))
        in_order = _ascends(ended_at_ms)
        self._note(numbers, run, in_order=in_order)
        self.series.see(ids, ended_at_ms)
        yield from by_span(ids, latency_ns, ended_at_ms, in_order=in_order)

    def _histograms(self, numbers: Sequence[int], run: Sequence[HistogramBatch]) -> Iterator[Span]:
        """What histograms fold to, minute by minute."""
        self._note(numbers, run, in_order=False)
        for batch in run:
            ids = self.series.ids_of(batch)
            self.series.see_measured(ids, batch.ended_at_ms)
            yield from batch.by_span(ids, np.ones(len(batch), np.bool_), Tier.MINUTE)

    def _note(self, numbers: Sequence[int], run: Sequence[SeriesRows], *, in_order: bool) -> None:
        """Which minutes these entries touch; in order where no end is before the one it follows."""
        for number, batch in zip(numbers, run, strict=True):
            minutes = _starts(batch.ended_at_ms, Tier.MINUTE, in_order=in_order)
            self.entries.extend((minute, number) for minute in minutes)


def by_span(
    ids: Ints,
    latency_ns: Ints,
    ended_at_ms: Ints,
    span_ms: int = Tier.MINUTE,
    *,
    in_order: bool | None = None,
) -> Iterator[Span]:
    """Samples of one or more, folded span by span; `in_order` where it is known if ends ascend."""
    if in_order is None:
        in_order = _ascends(ended_at_ms)
    if in_order and (bounds := _bounds(ended_at_ms, span_ms)):
        for start, end in pairwise(bounds):
            if start < end:
                first, last = int(ended_at_ms[start]), int(ended_at_ms[end - 1])
                folded = Rollups.of(ids[start:end], latency_ns[start:end])
                yield first - first % span_ms, folded, first, last
        return
    spans, place = _spans(ended_at_ms, span_ms)
    width = int(ids.max()) + 1
    if len(spans) * width > _MAX_FOLDED:
        for at, span in enumerate(spans):
            kept = place == at
            ends = ended_at_ms[kept]
            folded = Rollups.of(ids[kept], latency_ns[kept])
            yield span * span_ms, folded, int(ends.min()), int(ends.max())
        return
    first_ms = least_of_each(place, ended_at_ms, len(spans))
    last_ms = greatest_of_each(place, ended_at_ms, len(spans))
    # Series of all spans at once, those of each one after those of the spans before.
    folded = Rollups.of(place * width + ids if len(spans) > 1 else ids, latency_ns)
    for span, part, first, last in zip(
        spans, folded.parted(len(spans), width), first_ms.tolist(), last_ms.tolist(), strict=True
    ):
        yield span * span_ms, part, first, last


def _bounds(ended_at_ms: Ints, span_ms: int) -> list[int]:
    """Where each span starts among samples that ascend, and the end of the last one.

    Nothing where spans hold so few of them that all are better folded at once. What is folded by
    itself is cut out without a copy, and stays within a processor's cache.
    """
    first, last = int(ended_at_ms[0]) // span_ms, int(ended_at_ms[-1]) // span_ms
    if last - first > len(ended_at_ms) // _WORTH_A_FOLD:
        return []
    starts = np.arange(first, last + 2) * span_ms
    bounds: list[int] = np.searchsorted(ended_at_ms, starts).tolist()
    return bounds


def _ascends(values: Ints) -> bool:
    """Whether no value is less than the one before it."""
    return bool((values[1:] >= values[:-1]).all())


def _spans(ended_at_ms: Ints, span_ms: int) -> tuple[list[int], Ints]:
    """The numbers of the spans in which there are samples, ascending; each sample's place there."""
    number = ended_at_ms // span_ms
    first, last = int(number.min()), int(number.max())
    number -= first
    if last - first > len(number):
        present, place = np.unique(number, return_inverse=True)
    else:
        present = np.flatnonzero(np.bincount(number) > 0)
        place = number
        if len(present) <= last - first:
            places = np.zeros(last - first + 1, np.int64)
            places[present] = np.arange(len(present))
            place = places[number]
    return (present + first).tolist(), place


def _starts(ended_at_ms: Ints, span_ms: int, *, in_order: bool) -> list[int]:
    """The starts of the spans in which there are samples, ascending."""
    least, most = (
        (ended_at_ms[0], ended_at_ms[-1]) if in_order else (ended_at_ms.min(), ended_at_ms.max())
    )
    first, last = int(least) // span_ms, int(most) // span_ms
    if last - first <= 1:
        return [first * span_ms] if first == last else [first * span_ms, last * span_ms]
    return [span * span_ms for span in _spans(ended_at_ms, span_ms)[0]]
