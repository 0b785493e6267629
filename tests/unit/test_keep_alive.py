from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn
from opsboard.entrypoints.protocol import BoundedProtocol
from uvicorn.server import ServerState

SECONDS = 5


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Keeps timers, and lets time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, call))
        return self.timers[-1]

    def advance(self, to: float) -> None:
        while due := [t for t in self.timers if t.at <= to and not t.cancelled]:
            timer = min(due, key=lambda t: t.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.call()
        self.now = to


class Transport:
    closed = False

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Idle:
    """A connection whose first answer is complete."""

    def __init__(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("nothing is asked")

        config = uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, timeout_keep_alive=SECONDS
        )
        self.loop = Loop()
        self.transport = cast(Any, Transport())
        self.protocol = BoundedProtocol(config, ServerState(), {}, self.loop)  # type: ignore[arg-type]
        self.protocol.connection_made(self.transport)
        self.protocol._expect_nothing()
        self.loop.timers.clear()
        self.protocol.on_response_complete()


@pytest.fixture
def idle() -> Idle:
    return Idle()


def test_a_connection_on_which_nothing_comes_is_closed(idle: Idle) -> None:
    idle.loop.advance(4.9)
    assert not idle.transport.closed
    idle.loop.advance(5)
    assert idle.transport.closed


def test_each_answer_gives_as_much_time_with_one_timer_for_all(idle: Idle) -> None:
    for second in (1, 2, 3):
        idle.loop.advance(second)
        idle.protocol.on_response_complete()
    assert len(idle.loop.timers) == 1
    idle.loop.advance(7.9)
    assert not idle.transport.closed
    idle.loop.advance(8)
    assert idle.transport.closed


def test_who_has_begun_another_request_has_all_the_time_of_a_head(idle: Idle) -> None:
    idle.loop.advance(1)
    idle.protocol.data_received(b"GET / HTTP/1.1\r\n")
    deadline = idle.protocol._deadline
    assert deadline is not None
    idle.loop.advance(deadline.at - 1)  # type: ignore[attr-defined]
    assert not idle.transport.closed


def test_no_timer_outlives_its_connection(idle: Idle) -> None:
    idle.protocol.connection_lost(ConnectionError())
    assert all(timer.cancelled for timer in idle.loop.timers)
