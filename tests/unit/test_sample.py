import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.application.board import Opsboard
from opsboard.domain.sample import (
    MAX_LATENCY_NS,
    RequestSample,
    SampleBatch,
    SeriesKey,
)
from opsboard.domain.validation import InvalidInput

from ..fakes import START_NS, sample

NAMES = st.text(max_size=5)
SAMPLES = st.lists(
    st.builds(
        RequestSample,
        st.builds(SeriesKey, NAMES, NAMES, NAMES, st.integers(100, 599)),
        st.integers(0, MAX_LATENCY_NS),
        st.integers(0, 10**6).map(lambda ms: ms * 1_000_000),
    )
)


@given(SAMPLES)
def test_a_batch_holds_its_samples_in_their_order(samples: list[RequestSample]) -> None:
    made = SampleBatch.of(samples)
    assert len(made) == len(samples)
    assert made.samples() == samples
    assert made == SampleBatch.of(samples)


def test_ends_are_cut_to_whole_milliseconds() -> None:
    made = SampleBatch.of([sample(ended_at=START_NS + 1_999_999)])
    assert made.samples() == [sample(ended_at=START_NS + 1_000_000)]


def test_batches_are_equal_however_their_labels_are_numbered() -> None:
    a, b = sample("/a"), sample("/b")
    both = SampleBatch.of([a, b, a])
    turned = SampleBatch(
        endpoints=both.endpoints[::-1],
        methods=both.methods,
        status_codes=both.status_codes,
        endpoint=1 - both.endpoint,
        method=both.method,
        status=both.status,
        latency_ns=both.latency_ns,
        ended_at_ms=both.ended_at_ms,
    )
    assert turned == both
    assert both != SampleBatch.of([a, a, b])
    assert both != "another thing"


async def test_a_batch_with_a_bad_row_is_refused_as_a_whole(board: Opsboard) -> None:
    with pytest.raises(InvalidInput) as refused:
        await board.record_samples([sample(), sample(ms=-1)])
    assert [v.pointer for v in refused.value.violations] == ["/1/latency_ms"]
    assert (await board.metrics()).requests_total == 0
    assert await board.record_samples([]) == 0
    assert await board.record_samples([sample(), sample()]) == 2
    assert (await board.metrics()).requests_total == 2
