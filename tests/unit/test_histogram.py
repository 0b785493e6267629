import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.histogram import (
    MAX_ERROR,
    MIN_SCALE,
    SCALE,
    ExponentialHistogram,
    buckets_of,
    within_buckets,
)

BOUND = 0.011
LATENCIES = st.lists(st.integers(0, 10**13), max_size=60)
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0)


def of(latencies: list[int]) -> ExponentialHistogram:
    histogram = ExponentialHistogram()
    histogram.add_all(latencies)
    return histogram


def bucket_of(latency: int) -> int:
    return int(buckets_of(np.array([latency]))[0])


def within(bucket: int, fraction: float) -> float:
    return float(within_buckets(np.array([bucket]), np.array([fraction]))[0])


def exact(latencies: list[int], q: float) -> int:
    return sorted(latencies)[math.ceil(q * len(latencies)) - 1]


def test_the_promised_error_is_within_the_contracts() -> None:
    assert MAX_ERROR < BOUND


@given(st.integers(1, 10**15), st.floats(0, 1))
def test_any_place_within_a_bucket_is_within_the_bound_of_all_it_holds(
    latency: int, fraction: float
) -> None:
    assert within(bucket_of(latency), fraction) == pytest.approx(latency, rel=BOUND)


@given(st.integers(-2_000, 1_000), st.floats(0, 1), st.floats(0, 1))
def test_a_greater_fraction_is_never_a_smaller_latency(bucket: int, a: float, b: float) -> None:
    assert within(bucket, min(a, b)) <= within(bucket, max(a, b)) < within(bucket + 1, 0)


@given(st.lists(st.integers(0, 10**13), min_size=1), st.floats(0.001, 1))
def test_any_quantile_is_within_the_bound(latencies: list[int], q: float) -> None:
    assert of(latencies).quantile(q) == pytest.approx(exact(latencies, q), rel=BOUND)


@pytest.mark.parametrize("count", [1, 2, 99, 10_000])
@pytest.mark.parametrize(
    "shape",
    [
        lambda dice: int(dice.lognormvariate(16, 1)),
        lambda dice: int(dice.choice([1e6, 9e8]) * dice.uniform(0.9, 1.1)),
        lambda dice: dice.choice([1_000_000, 900_000_000]),
        lambda dice: dice.choice([1_000_000, 1_000_001]),
        lambda dice: 1_000_000 if dice.random() < 0.99 else 1_015_000,
        lambda _: 12_345_678,
        lambda _: 1,
        lambda _: 86_400_000_000_000,
        lambda dice: int(10 ** dice.uniform(0, 12)),
        lambda dice: dice.choice([0, 1]),
    ],
    ids=[
        "log-normal",
        "bimodal",
        "two constants",
        "two neighbours",
        "two in one bucket",
        "constant",
        "a ns",
        "a day",
        "twelve orders",
        "zero or one",
    ],
)
def test_quantiles_of_shapes_that_latencies_have(
    shape: Callable[[random.Random], int], count: int
) -> None:
    dice = random.Random(7)
    latencies = [shape(dice) for _ in range(count)]
    histogram = of(latencies)
    for q in QUANTILES:
        assert histogram.quantile(q) == pytest.approx(exact(latencies, q), rel=BOUND)


@given(LATENCIES, LATENCIES)
def test_merging_equals_adding_everything_to_one(left: list[int], right: list[int]) -> None:
    merged = of(left)
    merged.merge(of(right))
    assert merged == of(left + right)


@given(LATENCIES, LATENCIES, LATENCIES)
def test_merging_does_not_depend_on_the_order(a: list[int], b: list[int], c: list[int]) -> None:
    def merged(*parts: ExponentialHistogram) -> ExponentialHistogram:
        whole = ExponentialHistogram()
        for part in parts:
            whole.merge(part)
        return whole

    assert merged(of(a), of(b)) == merged(of(b), of(a))
    left = merged(merged(of(a), of(b)), of(c))
    assert left == merged(of(a), merged(of(b), of(c))) == of(a + b + c)


def test_merging_leaves_the_other_one_as_it_was() -> None:
    one, other = of([1, 2]), of([3])
    one.merge(other)
    one.add(4)
    assert other == of([3])


@given(LATENCIES)
def test_adding_one_by_one_equals_adding_all(latencies: list[int]) -> None:
    histogram = ExponentialHistogram()
    for latency in latencies:
        histogram.add(latency)
    assert histogram == of(latencies)


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


@given(LATENCIES, st.integers(MIN_SCALE, SCALE))
def test_at_a_lower_scale_a_bucket_holds_what_its_bounds_say(
    latencies: list[int], scale: int
) -> None:
    """The bounds are those of the formula, so a latency beside one may fall on either side."""
    counts = of(latencies).downscaled(scale)
    assert sum(counts.values()) == sum(latency > 0 for latency in latencies)
    for bucket in counts:
        with np.errstate(over="ignore"):
            lower, upper = 1e9 * np.exp2(np.array([bucket, bucket + 1]) * 2.0**-scale)
        inside = sum(lower * (1 - 1e-9) < latency <= upper * (1 + 1e-9) for latency in latencies)
        surely = sum(lower * (1 + 1e-9) < latency <= upper * (1 - 1e-9) for latency in latencies)
        assert surely <= counts[bucket] <= inside


@given(LATENCIES, st.integers(MIN_SCALE, SCALE), st.integers(0, 5))
def test_downscaling_in_steps_is_downscaling_at_once(
    latencies: list[int], scale: int, further: int
) -> None:
    lower = max(scale - further, MIN_SCALE)
    histogram = of(latencies)
    by_steps: dict[int, int] = {}
    for bucket, count in histogram.downscaled(scale).items():
        wider = bucket >> (scale - lower)
        by_steps[wider] = by_steps.get(wider, 0) + count
    assert by_steps == histogram.downscaled(lower)
    assert histogram.downscaled(SCALE) == histogram.buckets


@pytest.mark.parametrize("scale", [MIN_SCALE - 1, SCALE + 1])
def test_a_scale_that_is_out_of_range_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match=rf"must be -10 to 5, not {scale}"):
        of([1]).downscaled(scale)


def test_an_empty_histogram_answers_zero() -> None:
    empty = ExponentialHistogram()
    assert [empty.quantile(q) for q in QUANTILES] == [0] * len(QUANTILES)
    assert (empty.mean_ns, empty.count_upto(1), empty.downscaled(0)) == (0, 0, {})


def test_one_latency_is_given_exactly() -> None:
    assert [of([12_345_678]).quantile(q) for q in QUANTILES] == [12_345_678] * len(QUANTILES)


def test_zeros_are_quantiles_too() -> None:
    histogram = of([0, 0, 0, 7])
    assert [histogram.quantile(q) for q in (0.5, 0.75, 0.76)] == [0, 0, 7]
    assert of([0, 0]).quantile(0.99) == 0


def test_bucket_bounds_are_those_of_the_wire_formats_in_seconds() -> None:
    one_second = 1_000_000_000
    assert bucket_of(one_second) == -1
    assert bucket_of(one_second + 1) == 0
    assert bucket_of(2 * one_second) == 31


def test_a_histogram_that_miscounted_says_so() -> None:
    with pytest.raises(AssertionError, match="fewer latencies"):
        ExponentialHistogram(count=3, max_ns=5).quantile(0.1)
