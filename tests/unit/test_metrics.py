import statistics
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.metrics import EVERYTHING, MetricsSnapshot, Selection, snapshot
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import RequestSample, SampleBatch, SeriesKey
from opsboard.domain.series import SeriesTable

from ..fakes import sample

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


def fold(samples: list[RequestSample]) -> tuple[Rollups, SeriesTable]:
    series = SeriesTable()
    batches = [SampleBatch.of(samples[at : at + 7]) for at in range(0, len(samples), 7)]
    parts = [Rollups.of(series.ids_of(batch), batch.latency_ns) for batch in batches]
    return Rollups.merged(parts), series


def answer(samples: list[RequestSample], selection: Selection = EVERYTHING) -> MetricsSnapshot:
    rollups, series = fold(samples)
    return snapshot(selection.of(rollups, series), series, 86_200_000_000)


@given(SAMPLES)
def test_the_snapshot_is_what_counting_by_hand_gives(samples: list[RequestSample]) -> None:
    given = answer(samples)
    assert given.uptime_seconds == 86.2
    assert given.requests_total == len(samples)
    assert given.errors_total == sum(s.series.status_code >= 500 for s in samples)
    by_key = sorted(samples, key=lambda s: s.series)
    expected = {key: list(group) for key, group in groupby(by_key, key=lambda s: s.series)}
    rows = given.requests
    assert [(r.service, r.route, r.method, r.status_code) for r in rows] == list(expected)
    for row, group in zip(rows, expected.values(), strict=True):
        latencies = [s.latency_ns / 1e6 for s in group]
        assert row.count == len(group)
        assert row.max_ms == pytest.approx(max(latencies), abs=1e-6)
        assert row.latency_ms == pytest.approx(statistics.mean(latencies), abs=1e-6)
        assert row.p50_ms <= row.p95_ms <= row.p99_ms <= row.max_ms


@given(SAMPLES)
def test_the_answer_does_not_depend_on_the_order(samples: list[RequestSample]) -> None:
    assert answer(samples) == answer(samples[::-1])


@given(SAMPLES, st.builds(Selection, *[st.none() | st.sampled_from(["shop", "/", "GET"])] * 3))
def test_selecting_before_the_fold_or_after_it_is_the_same(
    samples: list[RequestSample], selection: Selection
) -> None:
    wanted = [s for s in samples if selection.wants(s.series)]
    assert answer(samples, selection) == answer(wanted)


@pytest.mark.parametrize(
    "selection",
    [Selection(service="shop"), Selection(route="/b"), Selection(method="PUT")],
)
def test_a_selection_narrows_by_name(selection: Selection) -> None:
    samples = [sample("/a", service="api"), sample("/b", service="shop", method="PUT", status=500)]
    given = answer(samples, selection)
    assert [row.route for row in given.requests] == ["/b"]
    assert (given.requests_total, given.errors_total) == (1, 1)


def test_a_series_that_became_known_after_the_rollups_does_not_harm_them() -> None:
    rollups, series = fold([sample("/a")])
    series.ids_of(SampleBatch.of([sample("/later")]))
    assert answer([sample("/a")]).requests == snapshot(rollups, series, 0).requests
    assert len(Selection(route="/later").of(rollups, series).series) == 0
