import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.histogram_forms import Spans, from_spans, to_spans
from opsboard.domain.rollup import Rollups
from opsboard.domain.span_columns import span_columns

# Latencies of some buckets that touch, leave short gaps, or lie far apart.
LATENCIES = st.one_of(st.just(0), st.integers(1, 10**10), st.integers(10**6, 1_200_000))
SAMPLES = st.lists(st.tuples(st.integers(0, 4), LATENCIES), max_size=80)


@given(SAMPLES)
def test_each_series_is_as_by_itself(samples: list[tuple[int, int]]) -> None:
    columns = np.array(samples, np.int64).reshape(-1, 2)
    rollups = Rollups.of(columns[:, 0], columns[:, 1])
    found = span_columns(rollups)
    for place, (_, histogram) in enumerate(rollups.histograms()):
        spans = slice(*found.spans_upto[place : place + 2])
        deltas = slice(*found.deltas_upto[place : place + 2])
        written = Spans(
            list(zip(found.gaps[spans].tolist(), found.lengths[spans].tolist(), strict=True)),
            found.deltas[deltas].tolist(),
        )
        assert written == to_spans(histogram)
        assert from_spans(written) == histogram.buckets
