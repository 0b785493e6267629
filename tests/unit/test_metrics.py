import statistics
from itertools import groupby

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.metrics import EVERYTHING, RequestMetrics, Selection
from opsboard.domain.sample import RequestSample, SampleBatch, SeriesKey

from ..fakes import START_NS, sample

KEYS = st.builds(
    SeriesKey,
    st.sampled_from(["api", "shop"]),
    st.sampled_from(["/", "/cart/{id}"]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([200, 404, 500, 503]),
)
SAMPLES = st.lists(
    st.builds(RequestSample, KEYS, st.integers(0, 10**11), st.integers(0, 50)), max_size=80
)


def fold(samples: list[RequestSample], selection: Selection = EVERYTHING) -> RequestMetrics:
    metrics = RequestMetrics()
    for start in range(0, len(samples), 7):
        metrics.evolve(SampleBatch.of(samples[start : start + 7]), selection)
    return metrics


@given(SAMPLES)
def test_the_snapshot_is_what_counting_by_hand_gives(samples: list[RequestSample]) -> None:
    snapshot = fold(samples).snapshot(86_200_000_000)
    assert snapshot.uptime_seconds == 86.2
    assert snapshot.requests_total == len(samples)
    assert snapshot.errors_total == sum(s.series.status_code >= 500 for s in samples)
    by_key = sorted(samples, key=lambda s: s.series)
    expected = {key: list(group) for key, group in groupby(by_key, key=lambda s: s.series)}
    rows = snapshot.requests
    assert [(r.service, r.route, r.method, r.status_code) for r in rows] == list(expected)
    for row, group in zip(rows, expected.values(), strict=True):
        latencies = [s.latency_ns / 1e6 for s in group]
        assert row.count == len(group)
        assert row.max_ms == pytest.approx(max(latencies), abs=1e-6)
        assert row.latency_ms == pytest.approx(statistics.mean(latencies), abs=1e-6)
        assert row.p50_ms <= row.p95_ms <= row.p99_ms <= row.max_ms


@given(SAMPLES, st.integers(0, 50), st.integers(0, 50))
def test_a_window_holds_its_start_and_not_its_end(
    samples: list[RequestSample], since: int, until: int
) -> None:
    wanted = [s for s in samples if since <= s.ended_at < until]
    narrowed = fold(samples, Selection(since=since, until=until))
    assert narrowed.dump() == fold(wanted).dump()
    assert fold(samples, Selection(since=since)).dump() == (
        fold([s for s in samples if s.ended_at >= since]).dump()
    )
    assert fold(samples, Selection(until=until)).dump() == (
        fold([s for s in samples if s.ended_at < until]).dump()
    )


@given(SAMPLES)
def test_a_fold_survives_being_saved_and_its_bytes_do_not_depend_on_the_order(
    samples: list[RequestSample],
) -> None:
    state = fold(samples).dump()
    assert RequestMetrics.load(state).dump() == state
    assert fold(samples[::-1]).dump() == state


def test_a_damaged_state_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        RequestMetrics.load(b"\x91\x01")


@pytest.mark.parametrize(
    "selection",
    [Selection(service="shop"), Selection(route="/b"), Selection(method="PUT")],
)
def test_a_selection_narrows_by_name(selection: Selection) -> None:
    samples = [
        sample("/a", service="api", ended_at=START_NS),
        sample("/b", service="shop", method="PUT", status=500),
    ]
    for snapshot in (
        fold(samples).snapshot(0, selection),
        fold(samples, selection).snapshot(0),
    ):
        assert [row.route for row in snapshot.requests] == ["/b"]
        assert (snapshot.requests_total, snapshot.errors_total) == (1, 1)
