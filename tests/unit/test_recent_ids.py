import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.of_each import first_of_each
from opsboard.domain.recent_ids import RecentIds, as_ids

MINUTE = 60_000_000_000


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.fixture
def recent() -> RecentIds:
    return RecentIds(10 * MINUTE, first_places=8, most_places=32)


def test_what_was_added_is_known(recent: RecentIds) -> None:
    recent.add(ids(5, -7, 0), MINUTE)
    assert recent.known(ids(-7, 6, 0, 5)).tolist() == [True, False, True, True]
    assert not recent.known(ids()).any()


def test_what_came_more_than_a_lifetime_ago_is_forgotten(recent: RecentIds) -> None:
    recent.add(ids(1, 2, 3, 4), 0)
    recent.add(ids(5), 9 * MINUTE)
    assert recent.known(ids(1, 5)).all()
    recent.add(ids(6), 11 * MINUTE)
    assert recent.known(ids(1, 4, 5, 6)).tolist() == [False, False, True, True]


def test_of_too_many_the_oldest_go_and_two_full_tables_stay(recent: RecentIds) -> None:
    for start in range(1, 10_001, 50):
        recent.add(np.arange(start, start + 50), 0)
        assert len(recent) <= 3 * 32 // 2
    assert recent.known(np.arange(10_001 - 32, 10_001)).all()
    assert not recent.known(np.arange(1, 9_000)).any()


@given(
    st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40, unique=True), max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
)
def test_it_is_a_set(batches: list[list[int]], others: list[int]) -> None:
    recent = RecentIds(10 * MINUTE, first_places=8, most_places=1 << 12)
    seen: set[int] = set()
    for batch in batches:
        asked = batch + others
        expected = [(id or 1) in seen for id in asked]
        assert recent.known(ids(*asked)).tolist() == expected
        new = [id for id in batch if (id or 1) not in seen and not (id == 0 and 1 in batch)]
        recent.add(ids(*new), 0)
        seen |= {id or 1 for id in new}


def test_many_that_want_the_same_place_are_told_apart() -> None:
    recent = RecentIds(10 * MINUTE)
    same_place = np.arange(1, 2_000) << 40
    recent.add(same_place[::2], 0)
    assert recent.known(same_place).tolist() == [place % 2 == 0 for place in range(1_999)]


def test_the_first_of_each_in_order() -> None:
    assert first_of_each(ids(7, 3, 7, 3, 9)).tolist() == [0, 1, 4]
    assert as_ids([b"a", b"b", b"a"])[0] == as_ids([b"a"])[0]
