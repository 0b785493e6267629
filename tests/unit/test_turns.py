import asyncio
from collections.abc import Sequence

import pytest
from opsboard.application.errors import Overloaded
from opsboard.entrypoints.turns import Line, Place


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def line(watch: Watch) -> Line:
    return Line(patience_seconds=1, crowd=2, share_seconds=0.5, refused_after_seconds=0, now=watch)


def in_line(line: Line, count: int) -> list[Place]:
    places = [Place(line) for _ in range(count)]
    for place in places:
        place.enter()
    return places


async def test_who_waited_too_long_in_a_crowd_is_refused_and_the_rest_goes_on(
    line: Line, watch: Watch
) -> None:
    first, second, third, fourth = in_line(line, 4)
    await first.take_turn()
    watch.seconds = 1.5
    with pytest.raises(Overloaded):
        await second.take_turn()
    # Two are left, which is no crowd.
    await third.take_turn()
    await fourth.take_turn()
    assert line.waiting == 0


async def test_who_waited_for_the_machine_alone_is_served(line: Line, watch: Watch) -> None:
    places = in_line(line, 2)
    watch.seconds = 99
    for place in places:
        await place.take_turn()


async def test_a_crowd_that_moves_is_served(line: Line) -> None:
    for place in in_line(line, 99):
        await place.take_turn()
    assert line.waiting == 0


async def test_who_leaves_waits_no_more_and_who_never_came_has_no_turn_to_wait_for() -> None:
    line = Line()
    (place,) = in_line(line, 1)
    place.leave()
    place.leave()
    await place.take_turn()
    await Place(line).take_turn()
    assert line.waiting == 0


async def test_a_turn_of_the_loop_begins_no_more_than_its_share_and_the_next_one_goes_on_in_order(
    line: Line, watch: Watch
) -> None:
    turn, begun = 0, list[tuple[int, int]]()

    async def work(number: int, place: Place) -> None:
        await place.take_turn()
        begun.append((turn, number))
        watch.seconds += 0.2

    line.patience_seconds = 99
    works = [asyncio.ensure_future(work(*each)) for each in enumerate(in_line(line, 7))]
    while not all(each.done() for each in works):
        await asyncio.sleep(0)
        turn += 1
    assert [number for _, number in begun] == [*range(7)]
    assert _together(begun) == [3, 3, 1]


def _together(begun: Sequence[tuple[int, int]]) -> list[int]:
    """How many were begun in each turn in which any was."""
    turns = [turn for turn, _ in begun]
    return [turns.count(turn) for turn in dict.fromkeys(turns)]


async def test_who_is_refused_is_told_so_only_after_a_while(line: Line, watch: Watch) -> None:
    line.refused_after_seconds = 3_600
    places = in_line(line, 4)
    watch.seconds = 1.5
    refused = asyncio.ensure_future(places[0].take_turn())
    await asyncio.sleep(0)
    # He is out of the line, and keeps nobody from his turn.
    assert line.waiting == 3
    assert not refused.done()
    refused.cancel()
