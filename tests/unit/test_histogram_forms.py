import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.histogram import ExponentialHistogram
from opsboard.domain.histogram_forms import (
    Dense,
    Spans,
    from_dense,
    from_spans,
    to_dense,
    to_spans,
)

BUCKETS = st.dictionaries(st.integers(-900, 900), st.integers(1, 10**12), max_size=40)


@given(BUCKETS)
def test_open_telemetrys_form_loses_nothing(buckets: dict[int, int]) -> None:
    assert from_dense(5, to_dense(ExponentialHistogram(buckets))) == buckets


@given(BUCKETS)
def test_prometheus_form_loses_nothing(buckets: dict[int, int]) -> None:
    spans = to_spans(ExponentialHistogram(buckets))
    assert from_spans(spans) == buckets
    assert sum(length for _, length in spans.spans) == len(spans.deltas)
    assert all(gap > 2 for gap, _ in spans.spans[1:])


def test_gaps_are_written_as_prometheus_writes_them() -> None:
    histogram = ExponentialHistogram({0: 3, 1: 5, 3: 1, 10: 2})
    assert to_spans(histogram) == Spans([(1, 4), (6, 1)], [3, 2, -5, 1, 1])


def test_a_finer_scale_is_merged_into_ours() -> None:
    assert from_dense(6, Dense(-3, [1, 2, 3, 4])) == {-2: 1, -1: 5, 0: 4}


def test_a_coarser_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 5, not 4"):
        from_dense(4, Dense(0, [1]))


@given(st.lists(st.integers(1, 10**13), min_size=1, max_size=50), st.integers(-10, 5))
def test_downscaling_puts_each_latency_where_the_wider_bucket_is(
    latencies: list[int], scale: int
) -> None:
    histogram = ExponentialHistogram()
    histogram.add_all(latencies)
    found = histogram.downscaled(scale)
    assert sum(found.values()) == len(latencies)
    for bucket in found:
        lower, upper = (math.exp2((bucket + i) / 2**scale) * 1e9 for i in (0, 1))
        assert any(lower * (1 - 1e-9) <= latency <= upper * (1 + 1e-9) for latency in latencies)
