import pytest
from opsboard.application.errors import Overloaded
from opsboard.entrypoints.turns import Line, Place


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def in_line(line: Line, count: int) -> list[Place]:
    places = [Place(line) for _ in range(count)]
    for place in places:
        place.enter()
    return places


def test_who_waited_too_long_in_a_crowd_is_refused_and_the_rest_goes_on() -> None:
    watch = Watch()
    line = Line(patience_seconds=1, crowd=2, now=watch)
    first, second, third, fourth = in_line(line, 4)
    first.take_turn()
    watch.seconds = 1.5
    with pytest.raises(Overloaded):
        second.take_turn()
    # Two are left, which is no crowd.
    third.take_turn()
    fourth.take_turn()
    assert line.waiting == 0


def test_who_waited_for_the_machine_alone_is_served() -> None:
    watch = Watch()
    line = Line(patience_seconds=1, crowd=2, now=watch)
    places = in_line(line, 2)
    watch.seconds = 99
    for place in places:
        place.take_turn()


def test_a_crowd_that_moves_is_served() -> None:
    line = Line(patience_seconds=1, crowd=2, now=Watch())
    for place in in_line(line, 99):
        place.take_turn()
    assert line.waiting == 0


def test_who_leaves_waits_no_more_and_who_never_came_has_no_turn_to_wait_for() -> None:
    line = Line()
    (place,) = in_line(line, 1)
    place.leave()
    place.leave()
    place.take_turn()
    Place(line).take_turn()
    assert line.waiting == 0
