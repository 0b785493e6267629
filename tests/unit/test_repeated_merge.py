"""What was merged before is not unpacked again, and is never taken for something else."""

from collections.abc import Hashable

import numpy as np
import pytest
from opsboard.application.errors import DamagedReadModel
from opsboard.application.ports import CoveringRollup
from opsboard.application.repeated_merge import RepeatedMerge
from opsboard.domain.rollup import Rollups
from opsboard.domain.tier import Tier


def of(series: int, *latency_ns: int) -> Rollups:
    return Rollups.of(np.full(len(latency_ns), series), np.array(latency_ns))


class Stored:
    """A rollup that counts how often it was unpacked."""

    def __init__(self, tier: Tier, start_ms: int, content: Rollups | None, name: str = "") -> None:
        self.tier = tier
        self.start_ms = start_ms
        self.name: Hashable = (tier, start_ms, name)
        self.unpacked = 0
        self._content = content

    @property
    def rollups(self) -> Rollups:
        self.unpacked += 1
        if self._content is None:
            raise DamagedReadModel("it is damaged")
        return self._content


HOURS = [of(1, 10, 2_000), of(2, 30_000), of(1, 10)]
MINUTES = [of(3, 5), of(1, 2_000, 7), of(2, 0)]


def stored(hours: int = 3, minutes: int = 3) -> list[Stored]:
    return [
        *(Stored(Tier.HOUR, at, HOURS[at]) for at in range(hours)),
        *(Stored(Tier.MINUTE, at, MINUTES[at]) for at in range(minutes)),
    ]


def merged_by(repeated: RepeatedMerge, some: list[Stored]) -> Rollups:
    return repeated.merged(list[CoveringRollup](some))


def unpacked(some: list[Stored]) -> list[int]:
    return [each.unpacked for each in some]


@pytest.mark.parametrize(("hours", "minutes"), [(0, 0), (0, 3), (3, 0), (3, 3), (1, 1)])
def test_it_merges_all_of_them_the_first_time_and_the_second(hours: int, minutes: int) -> None:
    repeated = RepeatedMerge()
    expected = Rollups.merged([*HOURS[:hours], *MINUTES[:minutes]])
    for times in (1, 0):
        some = stored(hours, minutes)
        assert merged_by(repeated, some).same_as(expected)
        assert unpacked(some) == [times] * (hours + minutes)


def test_hours_are_not_unpacked_again_when_another_minute_comes() -> None:
    repeated = RepeatedMerge()
    merged_by(repeated, stored(3, 2))
    some = stored(3, 3)
    assert merged_by(repeated, some).same_as(Rollups.merged([*HOURS, *MINUTES]))
    assert unpacked(some) == [0, 0, 0, 1, 1, 1]


def test_another_name_is_another_content() -> None:
    repeated = RepeatedMerge()
    merged_by(repeated, stored())
    some = stored()
    some[1] = Stored(Tier.HOUR, 1, of(2, 5_000_000), "as it is now")
    changed = Rollups.merged([HOURS[0], of(2, 5_000_000), HOURS[2], *MINUTES])
    assert merged_by(repeated, some).same_as(changed)


def test_the_list_holds_nothing_that_is_merged() -> None:
    some = list[CoveringRollup](stored())
    RepeatedMerge().merged(some)
    assert some == []


def test_one_that_is_damaged_is_refused_each_time_and_nothing_is_remembered_of_it() -> None:
    repeated = RepeatedMerge()
    for _ in range(2):
        with pytest.raises(DamagedReadModel):
            merged_by(repeated, [*stored(3, 2), Stored(Tier.MINUTE, 2, None)])


def test_what_there_is_no_room_for_is_merged_anew() -> None:
    whole = Rollups.merged([*HOURS, *MINUTES])
    repeated = RepeatedMerge(max_cells=len(whole.cell) + 6)
    merged_by(repeated, stored())
    some = stored()
    assert merged_by(repeated, some).same_as(whole)
    assert unpacked(some) == [0] * 6
    merged_by(repeated, [Stored(Tier.DAY, 9, of(9, 1, 100, 10_000))])
    assert merged_by(repeated, some := stored()).same_as(whole)
    assert unpacked(some) == [1] * 6


def test_what_is_too_large_takes_nothing_elses_place() -> None:
    repeated = RepeatedMerge(max_cells=20)
    merged_by(repeated, stored())
    merged_by(repeated, [Stored(Tier.DAY, 9, of(9, *(2**bit for bit in range(4, 40))))])
    some = stored()
    merged_by(repeated, some)
    assert unpacked(some) == [0] * 6


def test_questions_about_nothing_are_forgotten_too() -> None:
    repeated = RepeatedMerge(max_cells=5)
    for at in range(20):
        merged_by(repeated, [Stored(Tier.MINUTE, at, of(1, 0))])
    assert len(repeated._known) <= 5
