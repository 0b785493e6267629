"""What runs where is said once, and known after a restart."""

from typing import Any

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnavailable
from opsboard.application.query_events import event_filter
from opsboard.application.versions import SAY_EVERY_NS
from opsboard.domain.origin import Origin

from ..fakes import CountingIds, ManualClock, observe, sample

NEW, OLD = Origin("shop", "1.5", "production"), Origin("shop", "1.4", "production")


async def said(board: Opsboard) -> list[str]:
    """Oldest first."""
    wanted: Any = {"level": None, "service": None, "q": None, "since": None, "until": None}
    page = await board.event_queries.search(event_filter(type="VERSION", **wanted), 500)
    return [recorded.event.message for recorded in page.events][::-1]


async def test_each_version_is_said_when_it_is_first_seen(
    board: Opsboard, clock: ManualClock
) -> None:
    for origins in ([OLD], [OLD, Origin("cart")], [NEW], [OLD, NEW], [Origin("shop", "", "test")]):
        clock.advance(SAY_EVERY_NS)
        await board.versions.note(origins)
    assert await said(board) == [
        "shop runs 1.4 in production",
        "shop runs 1.5 in production",
        "shop runs in test",
    ]
    assert board.versions.last("shop") == Origin("shop", "", "test")
    assert board.versions.last("cart") == Origin("cart")


async def test_the_last_one_is_shown_with_the_service(board: Opsboard) -> None:
    observe(board, sample(), sample(service="cart"))
    await board.versions.note([OLD])
    cart, shop = await board.catalogue.services()
    assert (shop.version, shop.environment) == ("1.4", "production")
    assert (cart.version, cart.environment) == (None, None)


async def test_a_sender_with_a_new_version_each_time_is_heard_once_a_minute(
    board: Opsboard, clock: ManualClock
) -> None:
    for number in range(7):
        await board.versions.note([Origin("shop", f"1.{number}")])
        clock.advance(SAY_EVERY_NS // 3)
    assert await said(board) == ["shop runs 1.0", "shop runs 1.3", "shop runs 1.6"]
    assert board.versions.last("shop").version == "1.6"


async def test_what_could_not_be_recorded_is_said_the_next_time(
    board: Opsboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(board.store.journal, "append", fail)
        with pytest.raises(StoreUnavailable):
            await board.versions.note([OLD])
    await board.versions.note([OLD])
    assert len(await said(board)) == 1


async def test_it_is_known_after_a_restart(memory: MemoryStore, clock: ManualClock) -> None:
    async with Opsboard(memory, clock, CountingIds()) as board:
        await board.versions.note([OLD])
        clock.advance(SAY_EVERY_NS)
        await board.versions.note([NEW])
    async with Opsboard(memory, clock, CountingIds()) as board:
        assert board.versions.last("shop") == NEW
        clock.advance(SAY_EVERY_NS)
        await board.versions.note([OLD])
        assert len(await said(board)) == 2
