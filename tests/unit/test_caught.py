"""Exceptions that no handler took become events, and never more of them than a board can bear."""

import asyncio
from functools import partial
from typing import Any

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.background_events import BackgroundEvents
from opsboard.application.board import Opsboard
from opsboard.application.caught import AT_ONCE, MAX_FRAMES, PER_SECOND, Caught, ExceptionRate
from opsboard.application.errors import StoreUnavailable
from opsboard.application.ports import Journal
from opsboard.application.record import EventRecorder
from opsboard.domain.entry import Stream
from opsboard.domain.event import OperationalEvent

from ..fakes import SECOND_NS, CountingIds, FailingJournal, ManualClock, entries

FIELDS: dict[str, Any] = {"level": "INFO", "type": "OPS", "service": "shop"}


class OutOfStock(Exception):
    pass


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001
        return caught


def event(error: BaseException) -> dict[str, Any]:
    found = Caught.of(error).event(service="shop", route="/cart/{id}", method="GET")
    return {**found, "meta": dict(found["meta"])}


def test_an_exception_has_its_type_message_and_stack_trace() -> None:
    fields = event(raised(OutOfStock("no tea"), ValueError("why")))
    assert fields["level"] == "ERROR"
    assert fields["service"] == "shop"
    meta = fields["meta"]
    assert meta["exception.type"] == f"{__name__}.OutOfStock"
    assert meta["exception.message"] == "no tea"
    assert meta["http.route"] == "/cart/{id}"
    assert meta["http.request.method"] == "GET"
    trace = meta["exception.stacktrace"]
    assert trace.startswith("ValueError: why\n")
    assert "raise error from cause" in trace
    assert trace.endswith("OutOfStock: no tea\n")


def test_a_builtin_exception_is_named_without_its_module() -> None:
    assert event(raised(ValueError("x")))["meta"]["exception.type"] == "ValueError"


def test_an_exception_whose_text_can_not_be_had_is_told_all_the_same() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    meta = event(raised(Odd()))["meta"]
    assert meta["exception.type"].endswith("Odd")
    assert "exception.message" not in meta


def test_of_a_deep_recursion_the_innermost_frames_are_kept() -> None:
    def down(left: int) -> None:
        if left:
            down(left - 1)
        raise OutOfStock(f"at {left}")

    with pytest.raises(OutOfStock) as caught:
        down(MAX_FRAMES + 50)
    found = Caught.of(caught.value)
    assert len(found.trace.stack) == MAX_FRAMES
    assert "at 0" in event(caught.value)["message"]


def test_a_flood_is_let_through_drop_by_drop(clock: ManualClock) -> None:
    rate = ExceptionRate(clock.monotonic)
    assert [rate.allows() for _ in range(AT_ONCE + 5)].count(True) == AT_ONCE
    clock.advance(SECOND_NS)
    assert [rate.allows() for _ in range(AT_ONCE)].count(True) == PER_SECOND
    clock.advance(3_600 * SECOND_NS)
    assert [rate.allows() for _ in range(AT_ONCE + 5)].count(True) == AT_ONCE


async def said_in(journal: Journal) -> list[str]:
    found = [journal.decode(recorded) for recorded in await entries(journal, Stream.EVENTS)]
    return [event.message for event in found if isinstance(event, OperationalEvent)]


async def test_a_board_records_what_was_said_before_its_end(
    memory: MemoryStore, clock: ManualClock
) -> None:
    board = Opsboard(memory, clock, CountingIds())
    async with board:
        board.say_later(lambda: {"message": "from the loop", **FIELDS})
        await asyncio.to_thread(board.say_later, lambda: {"message": "from a thread", **FIELDS})
        board.caught(OutOfStock("no tea"), service="shop", route="/", method="GET")
    found = await said_in(memory.journal)
    assert found[:2] == ["from the loop", "from a thread"]
    assert found[2].endswith("OutOfStock: no tea")
    board.say_later(lambda: {"message": "too late", **FIELDS})
    assert board._background_events.dropped == 1


async def test_exceptions_beyond_the_rate_are_counted(board: Opsboard) -> None:
    for number in range(AT_ONCE + 7):
        board.caught(OutOfStock(str(number)), service="shop", route="/", method="GET")
    await board._background_events.finish()
    said = await said_in(board.store.journal)
    assert len(said) == AT_ONCE + 1
    assert "7 events were dropped" in said


async def test_what_can_not_be_recorded_is_told_later(
    memory: MemoryStore, clock: ManualClock
) -> None:
    async with memory.opened():
        journal = FailingJournal(memory.journal)
        events = BackgroundEvents(EventRecorder(journal, clock), limit=2)
        events.start()
        journal.error = StoreUnavailable("the disk is full")
        for message in "abcd":
            events.put(partial(dict, message=message, **FIELDS))
        while journal.failed < 2:
            await asyncio.sleep(0)
        events.put(partial(dict, message="x" * 2_000, **FIELDS))
        journal.error = None
        await asyncio.sleep(0)
        events.put(lambda: {"message": "back", **FIELDS})
        await events.finish()
        assert await said_in(memory.journal) == ["back", "5 events were dropped"]
    assert events.dropped == 5
