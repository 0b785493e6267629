import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.classic_buckets import REQUEST_BOUNDS_SECONDS, cumulative
from opsboard.domain.rollup import Rollups

SAMPLES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20_000_000_000)), max_size=60)


@given(SAMPLES)
def test_the_counts_are_those_of_each_histogram_by_itself(samples: list[tuple[int, int]]) -> None:
    columns = np.array(samples, np.int64).reshape(-1, 2)
    rollups = Rollups.of(columns[:, 0], columns[:, 1])
    counts = cumulative(rollups, REQUEST_BOUNDS_SECONDS)
    assert counts.tolist() == [
        [histogram.count_upto(bound * 1e9) for bound in REQUEST_BOUNDS_SECONDS]
        for _, histogram in rollups.histograms()
    ]


def test_a_bound_splits_exactly_but_for_its_own_bucket() -> None:
    ms = np.array([0, 1, 4, 6, 9, 11, 9_000, 11_000])
    rollups = Rollups.of(np.full(len(ms), 3), ms * 1_000_000)
    assert cumulative(rollups, [0.005, 0.010, 10.0]).tolist() == [[3, 5, 7]]
