import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnavailable
from opsboard.application.health import MAX_LAG_ENTRIES, all_hold
from opsboard.domain.entry import Head, Stream

from ..fakes import SECOND_NS, CountingIds, ManualClock


class FailingStore(MemoryStore):
    """A store whose disk can be taken away."""

    gone = False
    asked = 0

    async def check_writable(self) -> None:
        self.asked += 1
        if self.gone:
            raise StoreUnavailable("the disk is gone")


async def test_the_store_is_asked_at_most_once_a_second(clock: ManualClock) -> None:
    store = FailingStore(clock)
    async with Opsboard(store, clock, CountingIds()) as board:
        assert (await board.health.store()).ok
        store.gone = True
        assert (await board.health.store()).ok
        assert store.asked == 1
        clock.advance(SECOND_NS)
        check = await board.health.store()
        assert (check.ok, check.detail) == (False, "the disk is gone")
        assert not all_hold(list((await board.health.ready()).values()))


async def test_ready_names_every_check(board: Opsboard) -> None:
    checks = await board.health.ready()
    names = [
        "store",
        "rollups",
        "event_index",
        "error_groups",
        "samples",
        "series",
        "opentelemetry",
    ]
    assert list(checks) == names
    assert all_hold(list(checks.values()))


async def test_a_projection_far_behind_is_not_ready(
    board: Opsboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def head(_: Stream) -> Head:
        return Head(number=MAX_LAG_ENTRIES + 1)

    monkeypatch.setattr(board.store.journal, "head", head)
    check = (await board.health.ready())["event_index"]
    assert (check.ok, check.detail) == (False, "50001 entries behind the journal")


async def test_a_journal_that_can_not_be_read_is_not_ready(
    board: Opsboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def head(_: Stream) -> Head:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(board.store.journal, "head", head)
    assert (await board.health.ready())["rollups"].detail == "the disk is gone"
