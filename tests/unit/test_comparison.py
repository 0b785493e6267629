"""Folds of spans: all groups as one, and counts that were made already, as if asked anew."""

import numpy as np
import pytest
from msgspec.structs import replace
from opsboard.domain.comparison import CountFold, Grouped, Span, SpanFold, compare
from opsboard.domain.pending import by_span
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import SampleBatch
from opsboard.domain.series import SeriesTable
from opsboard.domain.tier import Tier, Window

from ..fakes import START_NS, sample

START_MS = START_NS // 1_000_000
MIDDLE = START_MS + 90 * Tier.MINUTE + 12_345
EARLIER = Window(START_MS + 54_321, MIDDLE)
LATER = Window(MIDDLE, START_MS + 180 * Tier.MINUTE + 1)
NO_CELLS = np.empty(0, np.int64)
SERVICES = ("shop", "pay", "left out")


class Recorded:
    """Requests of three services over three hours, some of which fail, and none of which is alike.

    One service is in no group, and one series came after the groups were made.
    """

    def __init__(self) -> None:
        dice = np.random.default_rng(7)
        self.series = SeriesTable()
        ends = np.sort(dice.integers(START_MS, LATER.until, 4_000)).tolist()
        self.batch = SampleBatch.of(
            [
                sample(
                    f"/{n % 4}",
                    service=SERVICES[n % 3],
                    status=503 if n % 11 == 0 else 200,
                    ms=float(dice.lognormal(4)),
                    ended_at=end * 1_000_000,
                )
                for n, end in enumerate(ends)
            ]
        )
        self.ids = self.series.ids_of(self.batch)
        labels = [
            None if seen.key.service == "left out" else (seen.key.service,)
            for seen in self.series.seen
        ]
        self.grouped = Grouped(self.series, labels)
        self.ids[::97] = self.series.ids_of(SampleBatch.of([sample("/new")]))

    def pieces(self, window: Window, span_ms: int) -> list[tuple[int, Rollups]]:
        of = (self.batch.ended_at_ms >= window.since) & (self.batch.ended_at_ms < window.until)
        ids, ms = self.ids[of], self.batch.ended_at_ms[of]
        spans = by_span(ids, self.batch.latency_ns[of], ms, span_ms)
        return [(start, rollups) for start, rollups, _, _ in spans]

    def fold(self, window: Window, grouped: Grouped) -> SpanFold:
        made = SpanFold(Span(window, Tier.MINUTE), grouped)
        for start, rollups in self.pieces(window, Tier.MINUTE):
            made.add(start, rollups)
        return made


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


def test_groups_as_one_are_what_one_group_would_be(recorded: Recorded) -> None:
    windows = (EARLIER, LATER)
    as_one = [recorded.fold(window, recorded.grouped).as_one() for window in windows]
    one = [recorded.fold(window, recorded.grouped.as_one()) for window in windows]
    (found,) = compare(*as_one)
    assert (found.before.count, found.before.errors) != (0, 0)
    assert [found] == compare(*one)


def test_no_group_as_one_is_none(recorded: Recorded) -> None:
    nobody = Grouped(recorded.series, [None for _ in recorded.series.seen])
    folds = [recorded.fold(window, nobody).as_one() for window in (EARLIER, LATER)]
    assert compare(*folds) == []


def test_what_was_merged_once_is_merged_again_with_more(recorded: Recorded) -> None:
    fold = SpanFold(Span(LATER, Tier.MINUTE), recorded.grouped)
    sums = []
    for start, rollups in recorded.pieces(LATER, Tier.MINUTE)[:2]:
        fold.add(start, rollups)
        sums.append(int(fold.merged().count.sum()))
    assert 0 < sums[0] < sums[1] == int(fold.total.sum())


@pytest.mark.parametrize("histograms", [True, False])
def test_counts_are_those_of_a_fold(recorded: Recorded, histograms: bool) -> None:
    counts = CountFold(Span(LATER, Tier.MINUTE), recorded.grouped)
    for start, rollups in recorded.pieces(LATER, Tier.MINUTE):
        empty = replace(rollups, cell=NO_CELLS, cell_count=NO_CELLS)
        counts.add(start, rollups if histograms else empty)
    expected = recorded.fold(LATER, recorded.grouped).total
    assert counts.total.tolist() == expected.tolist()


@pytest.mark.parametrize("tier", [Tier.MINUTE, Tier.HOUR])
def test_what_was_counted_is_counted_again_where_it_lies(recorded: Recorded, tier: Tier) -> None:
    folds = [recorded.fold(window, recorded.grouped) for window in (EARLIER, LATER)]
    window = Window(tier.start_of(EARLIER.since + 3 * tier // 2), LATER.until)
    again = CountFold(Span(window, tier), recorded.grouped)
    for fold in folds:
        again.count_again(fold)
    asked = CountFold(Span(window, tier), recorded.grouped)
    for part in (Window(window.since, MIDDLE), LATER):
        for start, rollups in recorded.pieces(part, Tier.MINUTE):
            asked.add(start, rollups)
    assert asked.total.sum() > 0
    assert again.total.tolist() == asked.total.tolist()
