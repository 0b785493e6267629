import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.histogram import ExponentialHistogram, bucket_of, centre_of

BOUND = 0.011
LATENCIES = st.lists(st.integers(0, 10**13), max_size=60)


def of(latencies: list[int]) -> ExponentialHistogram:
    histogram = ExponentialHistogram()
    histogram.add(latencies)
    return histogram


def exact(latencies: list[int], q: float) -> int:
    return sorted(latencies)[math.ceil(q * len(latencies)) - 1]


@given(st.integers(1, 10**15))
def test_a_bucket_centre_is_within_the_bound_of_all_it_holds(latency: int) -> None:
    assert centre_of(bucket_of(latency)) == pytest.approx(latency, rel=BOUND)


@given(st.lists(st.integers(0, 10**13), min_size=1), st.floats(0.001, 1))
def test_any_quantile_is_within_the_bound(latencies: list[int], q: float) -> None:
    assert of(latencies).quantile(q) == pytest.approx(exact(latencies, q), rel=BOUND)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize(
    "shape",
    [
        lambda dice: int(dice.lognormvariate(16, 1)),
        lambda dice: int(dice.choice([1e6, 9e8]) * dice.uniform(0.9, 1.1)),
        lambda _: 12_345_678,
        lambda dice: int(10 ** dice.uniform(0, 12)),
    ],
    ids=["log-normal", "bimodal", "constant", "twelve orders"],
)
def test_quantiles_of_shapes_that_latencies_have(
    shape: Callable[[random.Random], int], q: float
) -> None:
    dice = random.Random(7)
    latencies = [shape(dice) for _ in range(10_000)]
    assert of(latencies).quantile(q) == pytest.approx(exact(latencies, q), rel=BOUND)


@given(LATENCIES, LATENCIES)
def test_merging_equals_adding_everything_to_one(left: list[int], right: list[int]) -> None:
    merged = of(left)
    merged.merge(of(right))
    assert merged == of(left + right)


@given(LATENCIES)
def test_count_sum_and_max_are_exact(latencies: list[int]) -> None:
    histogram = of(latencies)
    assert histogram.count == len(latencies)
    assert histogram.sum_ns == sum(latencies)
    assert histogram.max_ns == max(latencies, default=0)
    assert histogram.mean_ns == (sum(latencies) / len(latencies) if latencies else 0)


@given(st.lists(st.integers(0, 10**10)), st.integers(1, 10**10))
def test_count_upto_errs_only_within_the_bounds_own_bucket(
    latencies: list[int], bound: int
) -> None:
    at_least = sum(latency <= bound / 1.022 for latency in latencies)
    at_most = sum(latency <= bound * 1.022 for latency in latencies)
    assert at_least <= of(latencies).count_upto(bound) <= at_most


def test_an_empty_histogram_answers_zero() -> None:
    assert ExponentialHistogram().quantile(0.99) == 0


def test_bucket_bounds_are_those_of_the_wire_formats_in_seconds() -> None:
    one_second = 1_000_000_000
    assert bucket_of(one_second) == -1
    assert bucket_of(one_second + 1) == 0
    assert bucket_of(2 * one_second) == 31


def test_a_histogram_that_miscounted_says_so() -> None:
    with pytest.raises(AssertionError, match="fewer latencies"):
        ExponentialHistogram(count=3, max_ns=5).quantile(0.1)
