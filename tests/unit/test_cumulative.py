from opsboard.domain.cumulative import CumulativePoint, CumulativeStreams
from opsboard.domain.measured import MeasuredHistogram

NAME, OTHER = b"a" * 16, b"b" * 16


def point(time_ns: int, count: int = 1, name: bytes = NAME) -> CumulativePoint:
    return CumulativePoint(
        name, time_ns, MeasuredHistogram(count, count, {0: count}, bounds=(1.0,))
    )


def test_the_newest_point_of_each_counter_is_known() -> None:
    streams = CumulativeStreams([point(1), point(7, name=OTHER)])
    assert not streams.changed
    streams.evolve([point(5, 5), point(3, 3)])
    assert streams.changed
    assert streams.newest(NAME) == point(5, 5)
    assert streams.newest(OTHER) == point(7, name=OTHER)
    assert streams.newest(b"c") is None
    assert CumulativeStreams(streams.points()).points() == streams.points()


def test_the_same_points_again_change_nothing() -> None:
    streams = CumulativeStreams([point(5, 5)])
    streams.evolve([point(1), point(3, 3), point(5, 5)])
    assert not streams.changed
    assert streams.newest(NAME) == point(5, 5)


def test_counters_that_stand_still_are_forgotten() -> None:
    streams = CumulativeStreams([point(5), point(7, name=OTHER)])
    streams.forget(5)
    assert (len(streams), streams.changed) == (2, False)
    streams.forget(6)
    assert (len(streams), streams.changed) == (1, True)
    assert streams.newest(NAME) is None


def test_bounds_that_counters_have_in_common_are_held_once() -> None:
    streams = CumulativeStreams([point(1), point(2, name=OTHER)])
    first, second = (each.histogram.bounds for each in streams.points())
    assert first is second
