"""Chance told from change."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.significance import HIGHEST_Z, Trials, critical, difference


def trials(total: list[int], counted: list[int]) -> Trials:
    return Trials(np.array(total, np.int64), np.array(counted, np.int64))


def test_the_critical_deviation_is_that_of_the_normal_distribution() -> None:
    assert critical(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert critical(0.99, 10) == pytest.approx(3.290527, abs=1e-6)


def test_two_proportions_as_a_textbook_has_them() -> None:
    """40 of 400 against 60 of 300: the pooled share is 1/7."""
    expected = 0.1 / math.sqrt(1 / 7 * 6 / 7 * (1 / 400 + 1 / 300))
    assert difference(trials([400], [40]), trials([300], [60])) == pytest.approx(expected)


def test_fishers_own_example() -> None:
    """The lady and her tea: 3 of 4 against 1 of 4, one-sided p = 17/70."""
    z = difference(trials([4], [1]), trials([4], [3]))
    p = 0.5 * math.erfc(z / math.sqrt(2))
    assert p == pytest.approx(17 / 70)


def test_few_errors_after_many_good_requests_are_told_from_none() -> None:
    assert difference(trials([5_000], [0]), trials([20], [10])) > 6
    assert abs(difference(trials([5_000], [0]), trials([20], [0]))) == 0
    assert difference(trials([1_000_000], [0]), trials([1_000_000], [1])) < critical(0.95)
    assert difference(trials([10**9], [4]), trials([4], [4])) == pytest.approx(HIGHEST_Z, rel=0.7)


def test_no_request_no_difference() -> None:
    assert difference(trials([0], [0]), trials([300], [60])) == 0
    assert difference(trials([300], [300]), trials([20], [20])) == 0
    assert difference(trials([], []), trials([300], [60])) == 0


@given(
    n=st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_to_and_fro_are_opposites(n: tuple[int, int], share: tuple[float, float]) -> None:
    one, other = (trials([total], [int(total * s)]) for total, s in zip(n, share, strict=True))
    there, back = difference(one, other), difference(other, one)
    assert there == pytest.approx(-back, abs=1e-6)
    assert abs(there) <= HIGHEST_Z or min(n) > 5


def test_bursts_are_not_taken_for_a_change() -> None:
    """Ten minutes in thirty fail on both sides, by chance some more of them after."""
    total = [1_000] * 30
    before = [100 if minute % 3 == 0 else 0 for minute in range(30)]
    after = [100 if minute % 3 == 0 or minute % 10 == 1 else 0 for minute in range(30)]
    assert difference(trials([30_000], [sum(before)]), trials([30_000], [sum(after)])) > 4
    assert difference(trials(total, before), trials(total, after)) < critical(0.99)


def test_a_change_is_found_in_spite_of_bursts() -> None:
    total = [1_000] * 30
    before = [40 if minute % 3 == 0 else 5 for minute in range(30)]
    after = [each + 60 for each in before]
    assert difference(trials(total, before), trials(total, after)) > critical(0.99)


def test_chance_alone_is_rarely_taken_for_a_change() -> None:
    """At 99 % in about one of a hundred; bursts included, where they are seen."""
    dice = np.random.default_rng(20260131)
    calm, bursts = 0, 0
    rounds = 2_000
    for _ in range(rounds):
        total = dice.poisson(200, 60)
        steady = dice.binomial(total, 0.03)
        bursty = dice.binomial(total, dice.gamma(2.0, 0.015, 60).clip(0, 1))
        for counted in (steady, bursty):
            z = difference(Trials(total[:30], counted[:30]), Trials(total[30:], counted[30:]))
            found = abs(z) > critical(0.99)
            calm += found and counted is steady
            bursts += found and counted is bursty
    assert calm / rounds < 0.015
    assert bursts / rounds < 0.025
