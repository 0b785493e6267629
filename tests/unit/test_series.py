import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain import series as series_module
from opsboard.domain.sample import SampleBatch, SeriesKey
from opsboard.domain.seen_times import NEVER_MS
from opsboard.domain.series import SeriesSeen, SeriesTable

KEYS = st.builds(
    SeriesKey,
    st.sampled_from(["api", "shop"]),
    st.sampled_from([f"/{n}" for n in range(30)]),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.integers(100, 599),
)
BATCHES = st.lists(st.lists(KEYS, max_size=30), max_size=6)


def batch(keys: list[SeriesKey], ended_at_ms: int = 0) -> SampleBatch:
    column = np.full(len(keys), ended_at_ms, np.int64)
    return SampleBatch.of_series(keys, np.ones(len(keys), np.int64), column)


def rows_of(whole: SampleBatch, rows: list[int]) -> SampleBatch:
    """Some of its samples, with all of its labels."""
    return SampleBatch(
        endpoints=whole.endpoints,
        methods=whole.methods,
        status_codes=whole.status_codes,
        endpoint=whole.endpoint[rows],
        method=whole.method[rows],
        status=whole.status[rows],
        latency_ns=whole.latency_ns[rows],
        ended_at_ms=whole.ended_at_ms[rows],
    )


def key(route: str = "/", status: int = 200) -> SeriesKey:
    return SeriesKey("shop", route, "GET", status)


@pytest.mark.parametrize("room", [0, 1_024, series_module.MAX_DENSE_CELLS])
@given(batches=BATCHES)
def test_ids_count_series_in_their_order_of_appearance_whatever_the_room(
    room: int, batches: list[list[SeriesKey]]
) -> None:
    expected: dict[SeriesKey, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_module, "MAX_DENSE_CELLS", room)
        table = SeriesTable()
        for keys in batches:
            for each in keys:
                expected.setdefault(each, len(expected))
            ids = table.ids_of(batch(keys))
            assert ids.dtype == np.int64
            assert ids.tolist() == [expected[each] for each in keys]
    assert len(table) == len(expected)
    assert [seen.key for seen in table.seen] == list(expected)
    assert all(table.find(each) == id and table.key(id) == each for each, id in expected.items())


@given(BATCHES)
def test_a_table_that_was_stored_goes_on_as_the_one_it_was(batches: list[list[SeriesKey]]) -> None:
    table = SeriesTable()
    for keys in batches:
        again = SeriesTable(SeriesSeen(s.key, s.first_ms, s.last_ms) for s in table.seen)
        assert table.ids_of(batch(keys)).tolist() == again.ids_of(batch(keys)).tolist()
        assert table.seen == again.seen


def test_labels_that_no_sample_uses_are_no_series() -> None:
    table = SeriesTable()
    both = batch([key("/a"), key("/b")])
    assert table.ids_of(rows_of(both, [1])).tolist() == [0]
    assert table.find(key("/a")) is None
    assert table.ids_of(both).tolist() == [1, 0]


@pytest.mark.parametrize("cells", [0, 1_024])
@given(st.lists(KEYS, min_size=1, max_size=30), st.data())
def test_batches_with_the_same_labels_find_the_same_ids_however_they_are_looked_up(
    cells: int, keys: list[SeriesKey], data: st.DataObject
) -> None:
    whole = batch(keys)
    rows = st.lists(st.integers(0, len(keys) - 1), max_size=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_module, "MAX_GRID_CELLS", cells)
        table = SeriesTable()
        expected: dict[SeriesKey, int] = {}
        for some in data.draw(st.lists(rows, max_size=6)):
            for row in some:
                expected.setdefault(keys[row], len(expected))
            assert table.ids_of(rows_of(whole, some)).tolist() == [
                expected[keys[row]] for row in some
            ]
    assert [seen.key for seen in table.seen] == list(expected)


def test_every_status_code_there_is_has_a_series_of_its_own() -> None:
    table = SeriesTable()
    keys = [key(f"/{n}", status) for n in range(40) for status in range(100, 600)]
    assert table.ids_of(batch(keys)).tolist() == list(range(20_000))
    assert table.ids_of(batch(keys[::-1])).tolist() == list(range(20_000))[::-1]


def test_it_notes_when_each_series_was_seen_first_and_last() -> None:
    table = SeriesTable()
    for ends in ([50, 70, 60], [65], [40, 90]):
        ids = np.concatenate([table.ids_of(batch([key(f"/{end % 2}")], end)) for end in ends])
        table.see(ids, np.array(ends))
    ids = table.ids_of(batch([key("/never")], 7))
    table.see(ids[:0], np.empty(0, np.int64))
    assert [(s.key.route, s.first_ms, s.last_ms) for s in table.seen] == [
        ("/0", 40, 90),
        ("/1", 65, 65),
        ("/never", NEVER_MS, -1),
    ]


def test_what_was_seen_is_noted_once_asked_and_goes_on_from_there() -> None:
    table = SeriesTable([SeriesSeen(key(f"/{n}"), 100, 200) for n in range(70)])
    ids = table.ids_of(batch([key("/69"), key("/new"), key("/0")]))
    for ends in ([150, 150, 150], [90, 160, 250]):
        table.see(ids, np.array(ends))
        assert [(s.first_ms, s.last_ms) for s in table.seen[1:69]] == [(100, 200)] * 68
    assert [(table.seen[id].first_ms, table.seen[id].last_ms) for id in ids] == [
        (90, 200),
        (150, 160),
        (100, 250),
    ]


def test_a_batch_without_samples_has_no_ids() -> None:
    assert SeriesTable().ids_of(batch([])).tolist() == []
