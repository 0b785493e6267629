import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain import rollup
from opsboard.domain.histogram import ExponentialHistogram
from opsboard.domain.rollup import Rollups

BOUND = 0.011
DAY_NS = 86_400_000_000_000
QUANTILES = (0.001, 0.5, 0.95, 0.99, 1.0)
Counted = list[tuple[int, int]]
"""Series id and latency in ns of each sample."""

LATENCIES = st.one_of(st.integers(0, DAY_NS), st.sampled_from([0, 1, 2, 1_000_000, DAY_NS]))
COUNTED = st.lists(st.tuples(st.integers(0, 9), LATENCIES), max_size=60)


def of(counted: Counted) -> Rollups:
    series, latencies = zip(*counted, strict=True) if counted else ((), ())
    return Rollups.of(np.array(series, np.int64), np.array(latencies, np.int64))


def by_series(counted: Counted) -> dict[int, list[int]]:
    return {
        series: [latency for of_series, latency in counted if of_series == series]
        for series in sorted({series for series, _ in counted})
    }


def by_hand(counted: Counted) -> dict[int, ExponentialHistogram]:
    histograms: dict[int, ExponentialHistogram] = {}
    for series, latency in counted:
        histograms.setdefault(series, ExponentialHistogram()).add(latency)
    return histograms


def exact(latencies: Sequence[int], q: float) -> int:
    return sorted(latencies)[math.ceil(q * len(latencies)) - 1]


def check_form(rollups: Rollups) -> None:
    """What every Rollups promises of its columns."""
    assert all(column.dtype == np.int64 for column in rollups.columns)
    assert len({len(column) for column in rollups.columns[:5]}) == 1
    assert len(rollups.cell) == len(rollups.cell_count)
    for ascending in (rollups.series, rollups.cell):
        assert (np.diff(ascending) > 0).all()
    assert (rollups.cell_count > 0).all()


@given(COUNTED)
def test_a_fold_is_a_histogram_for_each_series(counted: Counted) -> None:
    folded = of(counted)
    check_form(folded)
    assert dict(folded.histograms()) == by_hand(counted)


@given(st.lists(COUNTED, max_size=5))
def test_merging_equals_folding_everything_at_once(parts: list[Counted]) -> None:
    merged = Rollups.merged([of(part) for part in parts])
    check_form(merged)
    assert merged.same_as(of([sample for part in parts for sample in part]))


@given(COUNTED, COUNTED, COUNTED)
def test_merging_does_not_depend_on_the_order(a: Counted, b: Counted, c: Counted) -> None:
    left = Rollups.merged([Rollups.merged([of(a), of(b)]), of(c)])
    right = Rollups.merged([of(a), Rollups.merged([of(c), of(b)])])
    assert left.same_as(right)
    assert left.same_as(Rollups.merged([of(c), of(b), of(a)]))


@given(st.lists(COUNTED, max_size=4), st.integers(1, 3))
def test_merging_in_turn_is_merging(parts: list[Counted], times: int) -> None:
    made = [of(part) for part in parts * times * 8]
    assert Rollups.merged_in_turn(iter(made)).same_as(Rollups.merged(made))


@given(st.lists(COUNTED, max_size=3), st.lists(st.integers(0, 4), min_size=10, max_size=10))
def test_members_of_a_group_stand_in_the_place_of_the_series(
    parts: list[Counted], group: list[int]
) -> None:
    grouped = Rollups.merged([of(part) for part in parts], np.array(group))
    check_form(grouped)
    renamed = [(group[series], latency) for part in parts for series, latency in part]
    assert grouped.same_as(of(renamed))


@pytest.mark.parametrize("dense", [0, 1, 1 << 23])
@given(parts=st.lists(COUNTED, max_size=3), grouped=st.booleans())
def test_what_does_not_fit_a_dense_array_is_merged_alike(
    dense: int, parts: list[Counted], grouped: bool
) -> None:
    group = np.arange(10) // 3 if grouped else None
    expected = of([(s // 3 if grouped else s, ns) for part in parts for s, ns in part])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup, "_MAX_DENSE", dense)
        assert Rollups.merged([of(part) for part in parts], group).same_as(expected)


@given(COUNTED, st.lists(st.booleans(), max_size=12))
def test_only_keeps_the_series_of_the_mask(counted: Counted, mask: list[bool]) -> None:
    kept = [(s, latency) for s, latency in counted if s < len(mask) and mask[s]]
    only = of(counted).only(np.array(mask, np.bool_))
    check_form(only)
    assert only.same_as(of(kept))


@given(COUNTED, st.integers(0, 12))
def test_one_series_alone(counted: Counted, series: int) -> None:
    assert of(counted).of_series(series).same_as(of([c for c in counted if c[0] == series]))


@given(COUNTED)
def test_bucket_counts_are_those_of_all_series_together(counted: Counted) -> None:
    whole = ExponentialHistogram()
    whole.add_all([latency for _, latency in counted])
    buckets, counts = of(counted).bucket_counts()
    assert buckets.tolist() == sorted(whole.buckets)
    assert dict(zip(buckets.tolist(), counts.tolist(), strict=True)) == whole.buckets


@given(COUNTED, st.floats(0.001, 1))
def test_quantiles_are_those_of_each_histogram_and_near_the_exact_ones(
    counted: Counted, q: float
) -> None:
    found = of(counted).quantiles(q).tolist()
    histograms = by_hand(counted)
    expected = [histograms[series].quantile(q) for series in sorted(histograms)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert found == pytest.approx(
        [exact(latencies, q) for latencies in by_series(counted).values()], rel=BOUND
    )


@pytest.mark.parametrize("q", QUANTILES)
def test_quantiles_of_shapes_that_latencies_have(q: float) -> None:
    dice = random.Random(3)
    shapes: list[Callable[[], int]] = [
        lambda: int(dice.lognormvariate(16, 1)),
        lambda: int(dice.choice([1e6, 9e8]) * dice.uniform(0.9, 1.1)),
        lambda: dice.choice([1_000_000, 900_000_000]),
        lambda: 12_345_678,
        lambda: 0,
        lambda: int(10 ** dice.uniform(0, 12)),
    ]
    counted = [(place * 7, shape()) for place, shape in enumerate(shapes) for _ in range(2_000)]
    dice.shuffle(counted)
    found = of(counted).quantiles(q).tolist()
    assert found == pytest.approx([exact(v, q) for v in by_series(counted).values()], rel=BOUND)


@pytest.mark.parametrize("count", [1, 100, 10_000])
def test_sums_and_maxima_of_the_longest_latencies_are_exact(count: int) -> None:
    dice = random.Random(5)
    counted = [(n % 3, DAY_NS - dice.randrange(1_000_000)) for n in range(count)]
    for folded in (of(counted), Rollups.merged([of([sample]) for sample in counted])):
        latencies = by_series(counted)
        assert folded.sum_ns.tolist() == [sum(v) for v in latencies.values()]
        assert folded.max_ns.tolist() == [max(v) for v in latencies.values()]
        assert folded.count.tolist() == [len(v) for v in latencies.values()]


def test_zeros_are_counted_and_have_no_bucket() -> None:
    folded = of([(4, 0), (4, 0), (2, 0), (4, 5)])
    assert folded.series.tolist() == [2, 4]
    assert folded.count.tolist() == [1, 3]
    assert folded.zero_count.tolist() == [1, 2]
    assert folded.quantiles(0.6).tolist() == [0, 0]
    assert folded.quantiles(0.99).tolist() == [0, 5]
    assert of([(1, 0)]).bucket_counts()[0].tolist() == []


def test_nothing_is_nothing_throughout() -> None:
    for nothing in (Rollups.none(), of([]), Rollups.merged([]), Rollups.merged([of([]), of([])])):
        check_form(nothing)
        assert nothing.same_as(Rollups.none())
        assert nothing.quantiles(0.5).tolist() == []
        assert dict(nothing.histograms()) == {}
        assert [column.tolist() for column in nothing.bucket_counts()] == [[], []]
        assert nothing.only(np.array([True])).same_as(nothing)
        assert nothing.first_difference(nothing) is None
        assert Rollups.merged([nothing], np.zeros(1, np.int64)).same_as(nothing)
    assert Rollups.merged_in_turn([]).same_as(Rollups.none())


@given(COUNTED, COUNTED)
def test_the_first_difference_is_the_lowest_series_that_differs(a: Counted, b: Counted) -> None:
    left, right = by_hand(a), by_hand(b)
    differing = [s for s in range(10) if left.get(s) != right.get(s)]
    assert of(a).first_difference(of(b)) == min(differing, default=None)
    assert of(a).same_as(of(b)) == (not differing)


@given(COUNTED)
def test_what_was_merged_is_left_as_it_was(counted: Counted) -> None:
    part, again = of(counted), of(counted)
    Rollups.merged([part, part]).only(np.ones(10, np.bool_))
    Rollups.merged([part], np.zeros(10, np.int64))
    assert part.same_as(again)


def test_a_series_id_may_be_large() -> None:
    folded = of([(1_000_000, 5), (0, 7)])
    check_form(folded)
    assert Rollups.merged([folded, of([(999_999, 1)])]).series.tolist() == [0, 999_999, 1_000_000]
    assert dict(folded.histograms()) == by_hand([(1_000_000, 5), (0, 7)])
