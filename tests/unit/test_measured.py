import math
from bisect import bisect_left

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.histogram import buckets_of
from opsboard.domain.measured import MeasuredHistogram, UnusableHistogram, coarser, laid_out
from opsboard.domain.sample import MAX_LATENCY_NS

ADVISED = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""What OpenTelemetry advises for `http.server.request.duration`, in seconds."""
LATENCIES = st.lists(
    st.integers(1, 60_000_000_000) | st.sampled_from([0, 5_000_000, 10_000_000_000]), min_size=1
)


def explicit(latencies: list[int], *, extremes: bool = True) -> MeasuredHistogram:
    """As an SDK aggregates them."""
    buckets: dict[int, int] = {}
    for latency in latencies:
        at = bisect_left(ADVISED, latency / 1e9)
        buckets[at] = buckets.get(at, 0) + 1
    least, greatest = (min(latencies), max(latencies)) if extremes else (None, None)
    return MeasuredHistogram(
        len(latencies), sum(latencies), buckets, min_ns=least, max_ns=greatest, bounds=ADVISED
    )


def exponential(latencies: list[int], scale: int) -> MeasuredHistogram:
    """As an SDK aggregates them, by the formula of the data model."""
    buckets: dict[int, int] = {}
    for latency in latencies:
        if latency:
            at = math.ceil(math.log2(latency / 1e9) * 2**scale) - 1
            buckets[at] = buckets.get(at, 0) + 1
    return MeasuredHistogram(
        len(latencies), sum(latencies), buckets, scale=scale, zero_count=latencies.count(0)
    )


def ours(latencies: list[int]) -> dict[int, int]:
    positive = np.array([latency for latency in latencies if latency], np.int64)
    found, counts = np.unique(buckets_of(positive), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def bucket(seconds: float) -> int:
    return int(buckets_of(np.array([seconds * 1e9]))[0])


@given(LATENCIES, st.booleans())
def test_an_explicit_histogram_keeps_its_count_and_each_request_its_bounds(
    latencies: list[int], extremes: bool
) -> None:
    histogram = explicit(latencies, extremes=extremes)
    histogram.check()
    spread = histogram.spread()
    assert spread.zero_count + sum(spread.buckets.values()) == len(latencies)
    assert all(count > 0 for count in spread.buckets.values())
    for bound in ADVISED:
        below = sum(count for at, count in spread.buckets.items() if at < bucket(bound))
        upto = sum(count for at, count in spread.buckets.items() if at <= bucket(bound))
        exact = sum(latency <= bound * 1e9 for latency in latencies) - spread.zero_count
        assert below <= exact <= upto
    if extremes:
        assert spread.max_ns == max(latencies)


@given(LATENCIES)
def test_at_our_scale_nothing_is_lost(latencies: list[int]) -> None:
    spread = exponential(latencies, 5).spread()
    assert (spread.zero_count, spread.buckets) == (latencies.count(0), ours(latencies))


@given(st.dictionaries(st.integers(-2_000, 500), st.integers(1, 9), min_size=1), st.integers(1, 15))
def test_finer_buckets_are_merged_exactly(buckets: dict[int, int], finer: int) -> None:
    scale = 5 + finer
    shifted = {at << finer | 1: count for at, count in buckets.items() if at > -900}
    total = sum(shifted.values())
    histogram = MeasuredHistogram(total, total, shifted, scale=scale)
    assert histogram.spread().buckets == coarser(shifted, finer)


@pytest.mark.parametrize("scale", range(-10, 5))
@given(latencies=LATENCIES)
def test_wider_buckets_are_spread_over_ours(latencies: list[int], scale: int) -> None:
    histogram = exponential(latencies, scale)
    histogram.check()
    spread = histogram.spread()
    steps = 5 - scale
    again = coarser(spread.buckets, steps)
    assert sum(again.values()) + spread.zero_count == len(latencies)
    # Nothing lies below a nanosecond, nor above a day, whatever a bucket's own bounds are.
    lowest, highest = -957 >> steps, bucket(MAX_LATENCY_NS / 1e9) >> steps
    assert again == {
        min(max(at, lowest), highest): count for at, count in histogram.buckets.items()
    }


@given(st.floats(-900, 500), st.floats(0, 300), st.integers(1, 2**48))
def test_what_is_laid_out_adds_up_and_is_even(low: float, width: float, count: int) -> None:
    first, portions = laid_out(low, low + width, count)
    assert sum(portions) == count
    assert min(portions) >= 0
    assert first >= math.floor(low) - 1
    assert first + len(portions) <= math.ceil(low + width) + 1
    inner = portions[1:-1]
    if inner:
        assert max(inner) - min(inner) <= 1 + count * 1e-9


def test_one_request_alone_lies_in_the_middle() -> None:
    first, portions = laid_out(0.0, 64.0, 1)
    assert first + portions.index(1) in {31, 32}
    histogram = MeasuredHistogram(1, 7_000_000, {1: 1}, bounds=ADVISED)
    ((at, count),) = histogram.spread().buckets.items()
    assert count == 1
    assert at == bucket(math.sqrt(0.005 * 0.01))


def test_what_starts_at_zero_is_spread_evenly_in_time() -> None:
    histogram = MeasuredHistogram(1_000, 2_500_000_000, {0: 1_000}, bounds=ADVISED)
    spread = histogram.spread()
    assert spread.zero_count == 0
    for part in (0.5, 0.25, 0.125):
        below = sum(n for at, n in spread.buckets.items() if at <= bucket(0.005 * part))
        assert below == pytest.approx(1_000 * part, rel=0.022, abs=1)


def test_the_greatest_is_as_sent_or_the_bound_of_the_highest_bucket() -> None:
    def greatest(buckets: dict[int, int], max_ns: int | None = None) -> int:
        count = sum(buckets.values())
        return (
            MeasuredHistogram(count, count * 10**9, buckets, max_ns=max_ns, bounds=ADVISED)
            .spread()
            .max_ns
        )

    assert greatest({1: 3}) == 10_000_000
    assert greatest({1: 3}, 7_123_456) == 7_123_456
    assert greatest({1: 3}, 2_000_000_000) == 10_000_000
    assert greatest({14: 1}) == 10_000_000_000
    assert greatest({14: 1}, 12_345_678_901) == 12_345_678_901
    assert greatest({}) == 0


def test_without_bounds_the_mean_stands_for_all() -> None:
    histogram = MeasuredHistogram(4, 4_000_000_000, {0: 4})
    histogram.check()
    assert histogram.spread() == (0, {bucket(1.0): 4}, 1_000_000_000)


def test_milliseconds_are_as_good_as_seconds() -> None:
    bounds = tuple(bound * 1_000 for bound in ADVISED)
    for at in range(15):
        seconds = MeasuredHistogram(9, 9 * 10**9, {at: 9}, bounds=ADVISED)
        milliseconds = MeasuredHistogram(9, 9 * 10**9, {at: 9}, unit_ns=10**6, bounds=bounds)
        assert seconds.spread() == milliseconds.spread()
    one = MeasuredHistogram(1, 10**6, {0: 1}, unit_ns=10**6, scale=0).spread()
    assert bucket(0.001) < min(one.buckets) <= bucket(0.002)


def test_a_bound_of_zero_holds_zeros_and_a_threshold_what_is_near() -> None:
    bounds = (0.0, 5.0, 10.0)
    histogram = MeasuredHistogram(5, 10**7, {0: 3, 1: 2}, unit_ns=10**6, bounds=bounds)
    assert histogram.spread().zero_count == 3
    near = MeasuredHistogram(8, 8_000_000, {}, scale=5, zero_count=8, zero_upto=0.002).spread()
    assert near.zero_count == 0
    assert sum(near.buckets.values()) == 8
    assert max(near.buckets) <= bucket(0.002)
    assert near.max_ns == 2_000_000


GOOD = MeasuredHistogram(2, 10_000_000, {1: 2}, min_ns=1, max_ns=9_000_000, bounds=ADVISED)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"count": -1, "buckets": {}}, "the count must be 0 to"),
        ({"count": 2**48 + 1, "buckets": {0: 2**48 + 1}}, "the count must be 0 to"),
        ({"sum_ns": -1}, "the sum must be"),
        ({"sum_ns": 2 * MAX_LATENCY_NS + 1}, "the sum must be"),
        ({"buckets": {1: 1}}, "must add up to the count"),
        ({"buckets": {0: -1, 1: 3}}, "must add up to the count"),
        ({"zero_count": 1}, "must add up to the count"),
        ({"min_ns": 10_000_000}, "the least and greatest"),
        ({"min_ns": -1}, "the least and greatest"),
        ({"max_ns": MAX_LATENCY_NS + 1}, "the least and greatest"),
        ({"bounds": (0.1, 0.1)}, "must be finite, ascend"),
        ({"bounds": (0.2, math.nan)}, "must be finite, ascend"),
        ({"bounds": (0.2, math.inf)}, "must be finite, ascend"),
        ({"bounds": (-1.0, -0.5)}, "it has latencies below 0"),
        ({"bounds": (90_000.0, 90_001.0)}, "it has latencies of more than a day"),
        ({"buckets": {3: 2}, "bounds": (1.0, 2.0)}, "one fewer than the buckets"),
        ({"scale": 21}, "the scale must be -10 to 20"),
        ({"scale": -11}, "the scale must be -10 to 20"),
        ({"scale": 0, "buckets": {40: 2}}, "it has latencies of more than a day"),
        ({"scale": 0, "buckets": {2**31: 2}}, "it has latencies of more than a day"),
    ],
)
def test_what_can_be_no_latencies_is_refused(changed: dict[str, object], said: str) -> None:
    GOOD.check()
    with pytest.raises(UnusableHistogram, match=said):
        msgspec.structs.replace(GOOD, **changed).check()


@given(LATENCIES, LATENCIES)
def test_what_came_since_is_the_difference(earlier: list[int], later: list[int]) -> None:
    for make in (explicit, lambda latencies: exponential(latencies, 5)):
        since = make(earlier + later).since(make(earlier))
        assert since is not None
        expected = make(later)
        assert (since.count, since.sum_ns, since.zero_count, since.buckets) == (
            expected.count,
            expected.sum_ns,
            expected.zero_count,
            expected.buckets,
        )
        since.check()
        assert since.spread().max_ns >= max(later) * (1 - 1e-9)


@given(LATENCIES, LATENCIES, st.integers(-3, 12), st.integers(0, 6))
def test_a_counter_may_become_coarser(
    earlier: list[int], later: list[int], scale: int, steps: int
) -> None:
    since = exponential(earlier + later, scale - steps).since(exponential(earlier, scale))
    assert since is not None
    assert since.buckets == exponential(later, scale - steps).buckets


def test_what_fell_or_changed_its_buckets_is_no_difference() -> None:
    many, few = explicit([1, 2, 3]), explicit([1, 2])
    assert few.since(many) is None
    assert many.since(exponential([1], 5)) is None
    assert exponential([5, 6], 6).since(exponential([5], 5)) is None
    assert explicit([10**9, 2]).since(explicit([3])) is not None
    assert explicit([10**9, 10**9]).since(explicit([3])) is None
