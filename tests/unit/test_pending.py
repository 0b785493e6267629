from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.pending import Pending, PendingMinutes, by_span
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import RequestSample, SampleBatch, SeriesKey
from opsboard.domain.series import SeriesTable

MINUTE_MS = 60_000
KEYS = st.builds(
    SeriesKey, st.just("shop"), st.sampled_from(["/a", "/b", "/c"]), st.just("GET"), st.just(200)
)
ENDS_MS = st.integers(0, 10 * MINUTE_MS) | st.sampled_from([0, MINUTE_MS - 1, MINUTE_MS])
SAMPLES = st.lists(
    st.builds(lambda *of: RequestSample(of[0], of[1], of[2] * 10**6), KEYS, ENDS_MS, ENDS_MS),
    max_size=12,
)
JOURNAL = st.lists(SAMPLES, max_size=8)


def counts(rollups: Rollups) -> dict[int, tuple[int, int]]:
    columns = (rollups.series, rollups.count, rollups.sum_ns)
    return {s: (n, ns) for s, n, ns in zip(*(c.tolist() for c in columns), strict=True)}


@given(JOURNAL, st.integers(1, 4))
def test_each_minute_gets_its_samples_and_knows_its_entries(
    journal: list[list[RequestSample]], at_once: int
) -> None:
    fold = PendingMinutes(SeriesTable())
    entries = [(number, SampleBatch.of(samples)) for number, samples in enumerate(journal, 1)]
    for start in range(0, len(entries), at_once):
        fold.evolve(entries[start : start + at_once])

    minutes: dict[int, list[RequestSample]] = defaultdict(list)
    noted: set[tuple[int, int]] = set()
    for number, samples in enumerate(journal, 1):
        for sample in samples:
            minute = sample.ended_at // 10**6 // MINUTE_MS * MINUTE_MS
            minutes[minute].append(sample)
            noted.add((minute, number))
    assert sorted(fold.entries) == sorted(noted)
    assert fold.minutes.keys() == minutes.keys()
    for minute, samples in minutes.items():
        pending = fold.minutes[minute]
        ends = [sample.ended_at // 10**6 for sample in samples]
        assert (pending.first_ms, pending.last_ms) == (min(ends), max(ends))
        expected: dict[int, tuple[int, int]] = {}
        for sample in samples:
            series = fold.series.find(sample.series)
            assert series is not None
            count, total = expected.get(series, (0, 0))
            expected[series] = (count + 1, total + sample.latency_ns)
        assert counts(pending.rollups) == expected


@given(JOURNAL)
def test_it_does_not_matter_how_many_entries_are_folded_at_once(
    journal: list[list[RequestSample]],
) -> None:
    one, other = PendingMinutes(SeriesTable()), PendingMinutes(SeriesTable())
    entries = [(number, SampleBatch.of(samples)) for number, samples in enumerate(journal, 1)]
    one.evolve(entries)
    for entry in entries:
        other.evolve([entry])
    assert one.series.seen == other.series.seen
    assert sorted(one.entries) == sorted(other.entries)
    assert one.minutes.keys() == other.minutes.keys()
    for minute in one.minutes:
        assert one.minutes[minute].rollups.same_as(other.minutes[minute].rollups)


def test_many_parts_are_merged_on_the_way() -> None:
    pending = Pending()
    for latency in range(100):
        pending.add(Rollups.of(np.array([latency % 3]), np.array([latency])), latency, latency)
    assert len(pending._parts) < 40
    assert counts(pending.rollups) == {0: (34, 1683), 1: (33, 1617), 2: (33, 1650)}
    assert (pending.first_ms, pending.last_ms) == (0, 99)


def test_nothing_was_added_yet() -> None:
    assert Pending().rollups.same_as(Rollups.none())


@pytest.mark.parametrize("span_ms", [1_000, 7_000, MINUTE_MS, 60 * MINUTE_MS])
@given(ends=st.lists(ENDS_MS, min_size=1))
def test_samples_are_cut_at_the_bounds_of_spans(span_ms: int, ends: list[int]) -> None:
    ids, column = np.arange(len(ends)) % 3, np.array(ends, np.int64)
    found = list(by_span(ids, column, column, span_ms))
    starts = sorted({end - end % span_ms for end in ends})
    assert [start for start, *_ in found] == starts
    for start, rollups, first_ms, last_ms in found:
        inside = [(i % 3, end) for i, end in enumerate(ends) if end // span_ms == start // span_ms]
        assert (first_ms, last_ms) == (min(e for _, e in inside), max(e for _, e in inside))
        expected: dict[int, tuple[int, int]] = {}
        for series, end in inside:
            count, total = expected.get(series, (0, 0))
            expected[series] = (count + 1, total + end)
        assert counts(rollups) == expected
