import asyncio

import pytest
from opsboard.adapters.http.deadline import within


async def at_once() -> str:
    return "here"


async def after(event: asyncio.Event, times: int = 1) -> int:
    for _ in range(times):
        await event.wait()
        await asyncio.sleep(0)
    return times


async def test_what_is_here_needs_no_timer() -> None:
    assert await within(0.0, at_once()) == "here"


async def test_what_waits_is_waited_for() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(within(60.0, after(event, times=3)))
    await asyncio.sleep(0)
    event.set()
    assert await waiting == 3


async def test_what_does_not_come_in_time_is_given_up() -> None:
    cleaned = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(TimeoutError):
        await within(0.0, never())
    assert cleaned == [True]


async def test_an_error_is_raised_at_once_and_later() -> None:
    async def fail(event: asyncio.Event | None) -> None:
        if event is not None:
            await event.wait()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await within(60.0, fail(None))
    event = asyncio.Event()
    waiting = asyncio.create_task(within(60.0, fail(event)))
    await asyncio.sleep(0)
    event.set()
    with pytest.raises(ValueError, match="no"):
        await waiting


async def test_a_cancelled_task_is_cancelled_and_no_timeout() -> None:
    waiting = asyncio.create_task(within(60.0, after(asyncio.Event())))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
