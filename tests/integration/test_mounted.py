"""The whole API and page within another app."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import litestar
import opsboard
import pytest
from fastapi import FastAPI
from opsboard.adapters.http.middleware import Message
from starlette.applications import Starlette
from starlette.routing import Mount

TOKEN = "a-token"
Outer = Callable[[Any], Any]


def fastapi_app(ops: Any) -> Any:
    app = FastAPI(lifespan=ops.lifespan)
    app.mount("/ops", ops)
    return app


def starlette_app(ops: Any) -> Any:
    return Starlette(routes=[Mount("/ops", ops)], lifespan=ops.lifespan)


def litestar_app(ops: Any) -> Any:
    mount = litestar.asgi("/ops", is_mount=True, copy_scope=True)(ops)
    return litestar.Litestar([mount], lifespan=[ops.lifespan], openapi_config=None)


APPS: dict[str, Outer] = {
    "fastapi": fastapi_app,
    "starlette": starlette_app,
    "litestar": litestar_app,
}


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[None]:
    """Run the app's lifespan, as a server does."""
    told: asyncio.Queue[str] = asyncio.Queue()
    ending = asyncio.Event()
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        message = {"type": next(messages)}
        if message["type"] == "lifespan.shutdown":
            await ending.wait()
        return message

    async def send(message: Message) -> None:
        await told.put(message["type"])

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(app(scope, receive, send))
    assert await told.get() == "lifespan.startup.complete"
    try:
        yield
    finally:
        ending.set()
        await task
        assert await told.get() == "lifespan.shutdown.complete"


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")


async def record(http: httpx.AsyncClient, message: str) -> httpx.Response:
    body = {"level": "INFO", "type": "OPS", "message": message}
    return await http.post("/ops/events", json=body, headers={"X-Ops-Token": TOKEN})


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ops.db'}"


@pytest.mark.parametrize("name", APPS)
async def test_everything_is_found_below_the_mount(name: str, store: str) -> None:
    app = APPS[name](opsboard.asgi(store, api_token=TOKEN))
    async with living(app), client(app) as http:
        for number in range(2):
            assert (await record(http, str(number))).status_code == 200
        first = await http.get("/ops/events?limit=1")
        assert first.links["next"]["url"].startswith("/ops/events?")
        assert (await http.get(first.links["next"]["url"])).json()[0]["id"] == 1
        assert (await http.get("/ops/health")).json() == {"ok": True}
        assert (await http.get("/ops/openapi.json")).json()["servers"] == [{"url": "/ops"}]
        moved = await http.get("/ops", headers={"Accept": "text/html"})
        assert (moved.status_code, moved.next_request) != (200, None)
        assert str(moved.next_request and moved.next_request.url) == "http://shop/ops/"
        page = await http.get("/ops/", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert 'href="/' not in page.text
        assert 'src="/' not in page.text
        rows = (await http.get("/ops/metrics?service=opsboard")).json()["requests"]
        assert ("/health", 200) in {(row["route"], row["status_code"]) for row in rows}
        missing = await http.get("/ops/nothing")
        assert missing.headers["content-type"] == "application/problem+json"
        assert (await http.get("/other")).status_code == 404


@pytest.mark.parametrize("name", APPS)
async def test_the_end_of_the_outer_app_closes_the_store(name: str, store: str) -> None:
    app = APPS[name](opsboard.asgi(store, api_token=TOKEN))
    async with living(app), client(app) as http:
        await record(http, "kept")
        await http.get("/ops/health")
    async with opsboard.open(store) as board:
        assert (await board.metrics(service="opsboard")).requests_total == 2
        assert board.rollups.saved_upto == 1


async def test_without_a_lifespan_it_opens_with_the_first_request(store: str) -> None:
    ops = opsboard.asgi(store, api_token=TOKEN)
    app = Starlette(routes=[Mount("/ops", ops)])
    async with client(app) as http:
        answers = await asyncio.gather(*(record(http, str(number)) for number in range(20)))
        assert sorted(answer.json()["id"] for answer in answers) == list(range(1, 21))
    async with ops.lifespan():
        pass


async def test_it_can_be_opened_again(store: str) -> None:
    ops = opsboard.asgi(store, api_token=TOKEN)
    for number in (1, 2):
        async with ops.lifespan(), client(Starlette(routes=[Mount("/ops", ops)])) as http:
            assert (await record(http, "again")).json()["id"] == number


async def test_the_app_around_it_may_be_watched_by_the_same_board(store: str) -> None:
    ops = opsboard.asgi(store, api_token=TOKEN)
    app = opsboard.LatencyMiddleware(starlette_app(ops), service="shop", to=ops.board)
    async with living(app), client(app) as http:
        await http.get("/ops/health")
        rows = (await http.get("/ops/metrics")).json()["requests"]
    assert [(row["service"], row["route"]) for row in rows] == [
        ("opsboard", "/health"),
        ("shop", "/ops/{path}"),
    ]


async def test_a_store_that_can_not_be_opened_is_a_503_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    ops = opsboard.asgi(f"sqlite:///{folder / 'ops.db'}", api_token=TOKEN)
    async with client(Starlette(routes=[Mount("/ops", ops)])) as http:
        answer = await http.get("/ops/health")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(folder) not in answer.text
        assert str(folder) in caplog.text
        folder.mkdir()
        assert (await http.get("/ops/health")).status_code == 200
        async with ops.lifespan():
            pass


async def test_tokens_come_from_the_environment_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    monkeypatch.setenv("OPS_API_TOKEN", TOKEN)
    monkeypatch.setenv("OPS_READ_TOKEN", "reads")
    ops = opsboard.asgi(store)
    async with ops.lifespan(), client(Starlette(routes=[Mount("/ops", ops)])) as http:
        assert (await record(http, "x")).status_code == 200
        assert (await http.get("/ops/metrics")).status_code == 401
        allowed = await http.get("/ops/metrics", headers={"X-Ops-Token": "reads"})
        assert allowed.status_code == 200


@pytest.mark.parametrize("given", [{"api_token": ""}, {"read_token": "a b"}, {"store": "odd"}])
def test_what_can_not_work_is_said_at_once(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^(api_token|read_token|store): "):
        opsboard.asgi(**given)
