"""Folding many spans at once gives what folding each by itself gives, on every path."""

from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain import interning, pending, rollup
from opsboard.domain.interning import distinct
from opsboard.domain.pending import by_span
from opsboard.domain.rollup import Rollups

ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.one_of(st.just(0), st.integers(1, 10**6), st.integers(1, 86_400_000_000_000)),
        st.one_of(st.integers(0, 300_000), st.integers(10**9, 10**9 + 200_000)),
    ),
    min_size=1,
    max_size=40,
)


def columns(rows: list[tuple[int, int, int]]) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return [np.array(column, np.int64) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("max_folded", [0, pending._MAX_FOLDED])
@pytest.mark.parametrize("max_dense", [0, rollup._MAX_DENSE])
@pytest.mark.parametrize("worth_a_fold", [1, pending._WORTH_A_FOLD])
@given(rows=ROWS, ascend=st.booleans())
def test_spans_fold_at_once_as_they_do_alone(
    max_folded: int,
    max_dense: int,
    worth_a_fold: int,
    rows: list[tuple[int, int, int]],
    ascend: bool,
) -> None:
    if ascend:
        rows = sorted(rows, key=itemgetter(2))
    ids, latency_ns, ended_at_ms = columns(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pending, "_WORTH_A_FOLD", worth_a_fold)
        patch.setattr(pending, "_MAX_FOLDED", max_folded)
        patch.setattr(rollup, "_MAX_DENSE", max_dense)
        found = list(by_span(ids, latency_ns, ended_at_ms))
        merged = Rollups.merged([part for _, part, _, _ in found])
    assert [start for start, *_ in found] == sorted({row[2] // 60_000 * 60_000 for row in rows})
    for start, part, first_ms, last_ms in found:
        kept = ended_at_ms // 60_000 * 60_000 == start
        assert part.same_as(Rollups.of(ids[kept], latency_ns[kept]))
        assert (first_ms, last_ms) == (ended_at_ms[kept].min(), ended_at_ms[kept].max())
    assert merged.same_as(Rollups.of(ids, latency_ns))


@pytest.mark.parametrize("dense", [0, interning._DENSE])
@given(numbers=st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_distinct_numbers_and_their_places(dense: int, numbers: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interning, "_DENSE", dense)
        patch.setattr(interning, "_DENSE_TIMES", 0)
        found, place = distinct(np.array(numbers))
    assert found.tolist() == sorted(set(numbers))
    assert found[place].tolist() == numbers
