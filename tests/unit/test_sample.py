import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.application.board import Opsboard
from opsboard.domain.sample import (
    MAX_AHEAD_MS,
    MAX_LATENCY_NS,
    MAX_VIOLATIONS,
    RequestSample,
    SampleBatch,
    SeriesKey,
)
from opsboard.domain.validation import InvalidInput

from ..fakes import START_NS, sample

NOW_MS = START_NS // 1_000_000
NAMES = st.text(max_size=5)
SAMPLES = st.lists(
    st.builds(
        RequestSample,
        st.builds(SeriesKey, NAMES, NAMES, NAMES, st.integers(100, 599)),
        st.integers(0, MAX_LATENCY_NS),
        st.integers(0, 10**6).map(lambda ms: ms * 1_000_000),
    )
)


def batch(*rows: tuple[int, int]) -> SampleBatch:
    """Rows of latency in ns and end in ms."""
    latencies, ends = zip(*rows, strict=True)
    keys = [SeriesKey("shop", "/", "GET", 200)] * len(rows)
    return SampleBatch.of_series(keys, np.array(latencies, np.int64), np.array(ends, np.int64))


def named(found: SampleBatch, oldest_ms: int = 0) -> list[str]:
    return [violation.pointer for violation in found.violations(NOW_MS, oldest_ms)]


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


def test_what_lies_on_the_bounds_is_taken() -> None:
    bounds = [(0, 0), (MAX_LATENCY_NS, NOW_MS + MAX_AHEAD_MS), (1, NOW_MS)]
    assert batch(*bounds).violations(NOW_MS) == []


@pytest.mark.parametrize(
    ("latency_ns", "ended_at_ms", "field", "detail"),
    [
        (-1, NOW_MS, "latency_ms", "must be 0 to 86400000 ms (a day)"),
        (MAX_LATENCY_NS + 1, NOW_MS, "latency_ms", "must be 0 to 86400000 ms (a day)"),
        (0, -1, "ts", "must not lie before 1970-01-01T00:00:00.000Z"),
        (
            0,
            NOW_MS + MAX_AHEAD_MS + 1,
            "ts",
            "must lie at most a day ahead of the server's clock",
        ),
    ],
)
def test_a_bad_row_is_named_by_place_and_field(
    latency_ns: int, ended_at_ms: int, field: str, detail: str
) -> None:
    (found,) = batch((1, NOW_MS), (latency_ns, ended_at_ms)).violations(NOW_MS)
    assert (found.pointer, found.detail) == (f"/1/{field}", detail)


def test_bad_rows_are_named_in_their_order_and_only_the_first_of_them() -> None:
    bad = batch((-1, NOW_MS), (0, -1), (0, NOW_MS), (MAX_LATENCY_NS + 1, -1))
    assert named(bad) == ["/0/latency_ms", "/1/ts", "/3/latency_ms", "/3/ts"]
    many = batch(*[(0, NOW_MS), (-1, NOW_MS), (0, -1)] * 1_000)
    assert len(named(many)) == MAX_VIOLATIONS
    assert named(many)[:4] == ["/1/latency_ms", "/2/ts", "/4/latency_ms", "/5/ts"]


def test_how_old_a_sample_may_be_is_the_callers_to_say() -> None:
    rows = batch((0, NOW_MS - 10), (0, NOW_MS - 11))
    assert named(rows, NOW_MS - 10) == ["/1/ts"]
    (found,) = rows.violations(NOW_MS, NOW_MS - 10)
    assert found.detail == "must not lie before 2026-01-31T08:59:59.990Z"


async def test_a_batch_with_a_bad_row_is_refused_as_a_whole(board: Opsboard) -> None:
    with pytest.raises(InvalidInput) as refused:
        await board.record_samples([sample(), sample(ms=-1)])
    assert [v.pointer for v in refused.value.violations] == ["/1/latency_ms"]
    assert (await board.metrics()).requests_total == 0
    assert await board.record_samples([]) == 0
    assert await board.record_samples([sample(), sample()]) == 2
    assert (await board.metrics()).requests_total == 2
