"""What is sent twice is recorded once, and nobody is told so before it is."""

import asyncio

import numpy as np
import pytest
from opsboard.application.errors import StoreUnavailable
from opsboard.application.once import RESENT_WITHIN_NS, Once
from opsboard.domain.recent_ids import RecentIds
from opsboard.domain.sample import Ints

from ..fakes import ManualClock


def ids(*values: int) -> Ints:
    return np.array(values, np.int64)


class Appends:
    """An append that waits to be let through, or to fail."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, places: Ints) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(places.tolist())


@pytest.fixture
def appends() -> Appends:
    made = Appends()
    made.gate.set()
    return made


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_id_once_within_a_call_and_over_calls(
    clock: ManualClock, appends: Appends
) -> None:
    once = Once(clock)
    assert await once.record(ids(1, 2, 1), appends) == 2
    assert await once.record(ids(2, 1), appends) == 0
    assert await once.record(ids(2, 3), appends) == 1
    assert appends.taken == [[0, 1], [1]]


async def test_after_ten_minutes_an_id_may_come_again(clock: ManualClock, appends: Appends) -> None:
    once = Once(clock, RecentIds(RESENT_WITHIN_NS, first_places=8, most_places=8))
    await once.record(ids(1, 11, 12, 13), appends)
    clock.advance(RESENT_WITHIN_NS - 1)
    assert await once.record(ids(1), appends) == 0
    await once.record(ids(2), appends)
    clock.advance(RESENT_WITHIN_NS)
    await once.record(ids(3), appends)
    assert await once.record(ids(1), appends) == 1


async def test_a_second_copy_waits_for_the_first_and_shares_its_success(
    clock: ManualClock, appends: Appends
) -> None:
    once = Once(clock)
    appends.gate.clear()
    first = asyncio.create_task(once.record(ids(1, 2), appends))
    second = asyncio.create_task(once.record(ids(2, 3), appends))
    await settled()
    assert not second.done()
    appends.gate.set()
    assert (await first, await second) == (2, 1)
    assert appends.taken == [[0, 1], [1]]


async def test_a_second_copy_takes_over_where_the_first_fails(
    clock: ManualClock, appends: Appends
) -> None:
    once = Once(clock)
    appends.gate.clear()
    appends.error = StoreUnavailable("the disk is full")
    first = asyncio.create_task(once.record(ids(1), appends))
    await settled()
    other = Appends()
    second = asyncio.create_task(once.record(ids(1), other))
    await settled()
    appends.gate.set()
    with pytest.raises(StoreUnavailable):
        await first
    await settled()
    assert not second.done()
    other.gate.set()
    assert await second == 1
    assert other.taken == [[0]]


async def test_a_caller_that_goes_away_leaves_its_append_to_end(
    clock: ManualClock, appends: Appends
) -> None:
    once = Once(clock)
    appends.gate.clear()
    first = asyncio.create_task(once.record(ids(1), appends))
    await settled()
    first.cancel()
    second = asyncio.create_task(once.record(ids(1), appends))
    await settled()
    appends.gate.set()
    assert await second == 0
    assert appends.taken == [[0]]
