import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from opsboard.adapters.zigzag import unzigzag, zigzag


@given(st.lists(st.integers(-(2**62), 2**62 - 1)))
def test_what_was_folded_is_found_again(numbers: list[int]) -> None:
    column = np.array(numbers, np.int64)
    assert unzigzag(zigzag(column)).tolist() == numbers


@given(st.integers(-(2**62), 2**62 - 1))
def test_zigzag_is_the_protocols(number: int) -> None:
    expected = 2 * number if number >= 0 else -2 * number - 1
    assert zigzag(np.array([number])).tolist() == [expected]
