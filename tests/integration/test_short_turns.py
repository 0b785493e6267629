"""While a connection's thread waits for the interpreter's lock, turns of the others are short."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.adapters.sqlite.short_turns import SECONDS, short_turns

from ..fakes import ManualClock
from ..patience import patiently
from .forked import forked

USUAL = 0.004


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL)
    yield
    sys.setswitchinterval(before)


async def test_turns_are_short_while_the_store_is_asked_and_at_no_other_time(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqliteStore(tmp_path / "ops.db", clock)
    async with patiently(), store.opened():
        seen = await store._writer.submit(lambda _: sys.getswitchinterval())
        seen_by_reader = await store._for_queries.ask(lambda _: sys.getswitchinterval())
    assert seen == seen_by_reader == pytest.approx(SECONDS)
    assert sys.getswitchinterval() == pytest.approx(USUAL)


def test_they_are_short_until_the_last_has_its_answer() -> None:
    with short_turns:
        with short_turns:
            pass
        assert sys.getswitchinterval() == pytest.approx(SECONDS)
    assert sys.getswitchinterval() == pytest.approx(USUAL)


def test_shorter_ones_stay_as_they_are_however_often() -> None:
    sys.setswitchinterval(SECONDS / 2)
    before = sys.getswitchinterval()
    for _ in range(10):
        with short_turns:
            assert sys.getswitchinterval() == before
    assert sys.getswitchinterval() == before


def test_what_somebody_else_chose_meanwhile_stays() -> None:
    with short_turns:
        sys.setswitchinterval(0.02)
    assert sys.getswitchinterval() == pytest.approx(0.02)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_none_of_its_parents_threads_to_make_them_short_for() -> None:
    def look() -> None:
        assert sys.getswitchinterval() == pytest.approx(USUAL)
        with short_turns:
            assert sys.getswitchinterval() == pytest.approx(SECONDS)
        assert sys.getswitchinterval() == pytest.approx(USUAL)

    with short_turns:
        assert forked(look) == 0
        assert sys.getswitchinterval() == pytest.approx(SECONDS)
