"""What waits in an app's process is handed on when the app ends, whatever lifespan it has."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import opsboard
import pytest
from django.core.handlers.asgi import ASGIHandler
from fastapi import FastAPI
from litestar import Litestar
from opsboard.adapters.http.middleware import ASGIApp, Message
from opsboard.domain.series_key import SeriesKey
from quart import Quart
from starlette.applications import Starlette


class Settling:
    """A sink that notes when it is told that the app ends."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def series(self, key: SeriesKey) -> int:
        return 0

    def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
        return

    async def settle(self) -> None:
        self._told.append("settled")


@pytest.fixture
def told() -> list[str]:
    return []


async def live(app: ASGIApp, told: list[str]) -> list[str]:
    """Start and end the app, as a server does; what it said, in order with what was told."""
    watched = opsboard.LatencyMiddleware(app, service="shop", to=Settling(told))
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(messages)}

    async def send(message: Message) -> None:
        told.append(message["type"])

    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    await watched(scope, receive, send)
    return told


LIVED = ["lifespan.startup.complete", "settled", "lifespan.shutdown.complete"]


@asynccontextmanager
async def nothing(_: Any) -> AsyncIterator[None]:
    yield


def django() -> Any:
    """As far as a lifespan gets, which needs no settings."""
    return ASGIHandler.__new__(ASGIHandler)


APPS: dict[str, Callable[[], Any]] = {
    "fastapi": lambda: FastAPI(lifespan=nothing),
    "starlette": lambda: Starlette(lifespan=nothing),
    "litestar": lambda: Litestar([], lifespan=[nothing], openapi_config=None),
    "quart": lambda: Quart("shop"),
    "django, which has none": django,
}


@pytest.mark.parametrize("name", APPS)
async def test_the_sink_is_told_before_the_server_is(name: str, told: list[str]) -> None:
    assert await live(APPS[name](), told) == LIVED


async def test_an_app_that_returns_at_once_has_no_lifespan(told: list[str]) -> None:
    async def app(*_: Any) -> None:
        return

    assert await live(app, told) == LIVED


async def test_an_app_may_take_the_first_message_and_raise(told: list[str]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise NotImplementedError

    assert await live(app, told) == LIVED


async def test_an_app_that_fails_to_start_fails(told: list[str]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        await live(app, told)
    assert told == ["lifespan.startup.failed"]


async def test_an_app_that_fails_to_end_hands_on_what_waits_all_the_same(told: list[str]) -> None:
    @asynccontextmanager
    async def failing(_: Any) -> AsyncIterator[None]:
        yield
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await live(Starlette(lifespan=failing), told)
    assert told == ["lifespan.startup.complete", "settled", "lifespan.shutdown.failed"]
