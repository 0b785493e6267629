"""The latency middleware inside the frameworks that it is made for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import litestar
import litestar.response
import opsboard
import pytest
from fastapi import APIRouter, FastAPI
from litestar.params import FromPath
from opsboard.adapters.http.middleware import ASGIApp, Message, Scope
from opsboard.domain.sample import RequestSample, SeriesKey
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route

from ..fakes import ManualClock


class Seen:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.keys: list[SeriesKey] = []
        self.samples: list[RequestSample] = []

    def series(self, key: SeriesKey) -> int:
        self.keys.append(key)
        return len(self.keys) - 1

    def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
        self.samples.append(RequestSample(self.keys[series], latency_ns, ended_at))

    def rows(self) -> list[tuple[str, str, int]]:
        return [(s.series.route, s.series.method, s.series.status_code) for s in self.samples]


@pytest.fixture
def seen() -> Seen:
    return Seen()


def litestar_app() -> Any:
    @litestar.get("/items/{id:int}")
    async def item(id: FromPath[int]) -> dict[str, int]:
        return {"id": id}

    @litestar.get("/fails")
    async def fails() -> None:
        raise RuntimeError("a bug")

    @litestar.get("/stream")
    async def stream() -> litestar.response.Stream:
        return litestar.response.Stream(three_parts())

    router = litestar.Router("/api", route_handlers=[item])
    return litestar.Litestar([item, fails, stream, router], openapi_config=None)


async def three_parts() -> AsyncIterator[bytes]:
    for part in (b"a", b"b", b"c"):
        yield part


def fastapi_app() -> Any:
    app = FastAPI()
    router = APIRouter()

    @app.get("/items/{id:int}")
    @router.get("/items/{id:int}")
    async def item(id: int) -> dict[str, int]:
        return {"id": id}

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("a bug")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(three_parts())

    app.include_router(router, prefix="/api")
    return app


def starlette_app() -> Any:
    async def item(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(request.path_params["id"]))

    async def fails(_: Request) -> PlainTextResponse:
        raise RuntimeError("a bug")

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(three_parts())

    items = Route("/items/{id:int}", item)
    return Starlette(
        routes=[
            items,
            Route("/fails", fails),
            Route("/stream", stream),
            Mount("/api", routes=[items]),
        ]
    )


APPS = {"litestar": litestar_app, "fastapi": fastapi_app, "starlette": starlette_app}
TEMPLATE = {"litestar": "/items/{id}", "fastapi": "/items/{id}", "starlette": "/items/{id}"}


@pytest.fixture(params=APPS)
def app(request: pytest.FixtureRequest, seen: Seen) -> Any:
    return opsboard.LatencyMiddleware(APPS[request.param](), service="shop", to=seen)


def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_the_template_is_recorded_and_never_the_path(app: Any, seen: Seen) -> None:
    async with client(app) as http:
        for path in ("/items/1", "/items/2", "/api/items/3", "/nope/4", "/.env", "/items/x/y"):
            await http.get(path)
        await http.put("/items/1")
    assert seen.rows() == [
        ("/items/{id}", "GET", 200),
        ("/items/{id}", "GET", 200),
        ("/api/items/{id}", "GET", 200),
        ("(unmatched)", "GET", 404),
        ("(unmatched)", "GET", 404),
        ("(unmatched)", "GET", 404),
        (seen.samples[-1].series.route, "PUT", 405),
    ]
    assert seen.samples[-1].series.route in {"(unmatched)", "/items/{id}"}
    assert {s.series.service for s in seen.samples} == {"shop"}


async def test_a_handler_that_raises_counts_as_500(app: Any, seen: Seen) -> None:
    async with client(app) as http:
        assert (await http.get("/fails")).status_code == 500
    assert seen.rows() == [("/fails", "GET", 500)]


class Told(Seen):
    """A sink that is told of exceptions too."""

    def __init__(self) -> None:
        super().__init__()
        self.caught_ones: list[tuple[str, str, str, str]] = []

    def caught(self, error: Exception, *, service: str, route: str, method: str) -> None:
        self.caught_ones.append((str(error), service, route, method))


@pytest.mark.parametrize("name", ["fastapi", "starlette"])
async def test_what_a_handler_raised_is_handed_over_with_its_route(name: str) -> None:
    told = Told()
    async with client(opsboard.LatencyMiddleware(APPS[name](), service="shop", to=told)) as http:
        await http.get("/fails")
        await http.get("/items/1")
    assert told.caught_ones == [("a bug", "shop", "/fails", "GET")]


async def test_a_client_that_went_away_is_no_bug(clock: ManualClock) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError("the client went away")

    told = Told()
    with suppress(RuntimeError):
        await watched(app, told, clock)(scope(), receive, ignore)
    assert told.caught_ones == []
    assert told.rows() == [("(unmatched)", "GET", 499)]


async def test_a_sink_that_fails_with_an_exception_hides_it_from_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Seen):
        def caught(self, error: Exception, **_: str) -> None:
            raise MemoryError("no room")

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await opsboard.LatencyMiddleware(app, service="s", to=Broken())(scope(), receive, ignore)
    assert "an exception could not be recorded" in caplog.text


async def test_a_board_records_what_a_handler_raised() -> None:
    async with opsboard.open("memory:") as ops:
        app = opsboard.LatencyMiddleware(starlette_app(), service="shop", to=ops)
        async with client(app) as http:
            await http.get("/fails")
        while not (found := (await ops.event_queries.search()).events):
            await asyncio.sleep(0)
    event = found[0].event
    assert (event.type, event.service, event.message) == (
        "EXCEPTION",
        "shop",
        "RuntimeError: a bug",
    )
    assert event.meta["http.route"] == "/fails"
    assert 'raise RuntimeError("a bug")' in event.meta["exception.stacktrace"]


async def test_a_stream_counts_when_it_ends(app: Any, seen: Seen) -> None:
    async with client(app) as http:
        assert (await http.get("/stream")).content == b"abc"
    assert seen.rows() == [("/stream", "GET", 200)]


async def test_an_unknown_method_shares_one_name(app: Any, seen: Seen) -> None:
    async with client(app) as http:
        await http.request("BREW", "/items/1")
        await http.request("X" * 500, "/items/1")
    assert {s.series.method for s in seen.samples} == {"_OTHER"}


def scope(kind: str = "http") -> Scope:
    return {"type": kind, "method": "GET", "path": "/x", "headers": []}


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def ignore(_: Message) -> None:
    return


def watched(app: ASGIApp, seen: Seen, clock: ManualClock) -> opsboard.LatencyMiddleware:
    return opsboard.LatencyMiddleware(
        app, service="shop", to=seen, now=clock.now, monotonic=clock.monotonic
    )


async def start(send: Any, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})


async def test_latency_runs_from_the_first_byte_in_to_the_last_byte_out(
    seen: Seen, clock: ManualClock
) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        clock.advance(1_000)
        await start(send)
        clock.advance(20_000)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        clock.advance(300_000)
        await send({"type": "http.response.body", "body": b"b"})
        clock.advance(4_000_000)

    await watched(app, seen, clock)(scope(), receive, ignore)
    (sample,) = seen.samples
    assert sample.latency_ns == 321_000
    assert sample.ended_at == clock.now() - 4_000_000


async def test_what_was_sent_counts_when_the_client_went_away(
    seen: Seen, clock: ManualClock
) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b", "more_body": True})

    sent: list[Message] = []

    async def broken_send(message: Message) -> None:
        if len(sent) == 2:
            raise OSError("the client went away")
        sent.append(message)

    with pytest.raises(OSError, match="went away"):
        await watched(app, seen, clock)(scope(), receive, broken_send)
    assert seen.rows() == [("(unmatched)", "GET", 200)]


@pytest.mark.parametrize(("started", "status"), [(True, 200), (False, 499)])
async def test_a_cancelled_request_counts(
    seen: Seen, clock: ManualClock, started: bool, status: int
) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        if started:
            await start(send)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await watched(app, seen, clock)(scope(), receive, ignore)
    assert seen.rows() == [("(unmatched)", "GET", status)]


@pytest.mark.parametrize("answers", [True, False])
async def test_a_client_that_goes_before_its_body_was_complete_counts_as_499(
    seen: Seen, clock: ManualClock, answers: bool
) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"
        if not answers:
            raise RuntimeError("the client went away")
        await start(send, 400)
        await send({"type": "http.response.body", "body": b"whom do I tell"})

    with suppress(RuntimeError):
        await watched(app, seen, clock)(scope(), receive, ignore)
    assert seen.rows() == [("(unmatched)", "GET", 499)]


async def test_a_client_that_goes_after_the_start_counts_as_what_was_sent(
    seen: Seen, clock: ManualClock
) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await start(send)
        assert (await receive())["type"] == "http.disconnect"
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await watched(app, seen, clock)(scope(), receive, ignore)
    assert seen.rows() == [("(unmatched)", "GET", 500)]


async def test_an_error_after_the_start_counts_as_500(seen: Seen, clock: ManualClock) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await start(send)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await watched(app, seen, clock)(scope(), receive, ignore)
    assert seen.rows() == [("(unmatched)", "GET", 500)]


async def test_an_app_that_answers_nothing_counts_as_500(seen: Seen, clock: ManualClock) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        return

    await watched(app, seen, clock)(scope(), receive, ignore)
    assert seen.rows() == [("(unmatched)", "GET", 500)]


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_traffic_passes_through_untouched(
    seen: Seen, clock: ManualClock, kind: str
) -> None:
    passed: list[object] = []

    async def app(*given: object) -> None:
        passed.extend(given)

    its_scope = scope(kind)
    await watched(app, seen, clock)(its_scope, receive, ignore)
    assert passed[0] is its_scope
    assert passed[1] is receive
    assert passed[2] is ignore
    assert seen.samples == []


async def test_a_sink_that_fails_is_not_the_requests_fault(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def series(self, key: SeriesKey) -> int:
            return 0

        def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
            raise MemoryError("no room")

    app = opsboard.LatencyMiddleware(fastapi_app(), service="shop", to=Broken())
    async with client(app) as http:
        assert (await http.get("/items/1")).json() == {"id": 1}
    assert "a request could not be recorded" in caplog.text


async def test_mounts_of_other_apps(seen: Seen) -> None:
    async def bare(scope: Scope, receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b""})

    inner = fastapi_app()
    fast = FastAPI()
    fast.mount("/t/{tenant}/fast", inner)
    fast.mount("/bare", bare)
    apps: list[Any] = [
        Starlette(routes=[Mount("/t/{tenant}/fast", inner), Mount("/bare", bare)]),
        fast,
        litestar.Litestar(
            [litestar.asgi("/bare", is_mount=True, copy_scope=True)(bare)], openapi_config=None
        ),
    ]
    for app in apps:
        async with client(opsboard.LatencyMiddleware(app, service="s", to=seen)) as http:
            await http.get("/bare/secret/1")
            await http.get("/t/acme/fast/items/5")
    assert [row[0] for row in seen.rows()] == [
        "/bare/{path}",
        "/t/{tenant}/fast/items/{id}",
        "/bare/{path}",
        "/t/{tenant}/fast/items/{id}",
        "/bare/{path}",
        "(unmatched)",
    ]


async def test_a_board_is_a_sink(seen: Seen) -> None:
    async with opsboard.open("memory:") as ops:
        app = opsboard.LatencyMiddleware(starlette_app(), service="shop", to=ops)
        async with client(app) as http:
            await http.get("/items/1")
        (row,) = (await ops.metrics(last="1h")).requests
        assert (row.service, row.route, row.count) == ("shop", "/items/{id}", 1)


def starlette_of(*routes: Any) -> Any:
    return Starlette(routes=list(routes))


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.path_params))


async def routes_of(app: Any, seen: Seen, *paths: str) -> list[str]:
    async with client(opsboard.LatencyMiddleware(app, service="s", to=seen)) as http:
        for path in paths:
            assert (await http.get(path)).status_code == 200
    return [row[0] for row in seen.rows()]


UUID = "6a2f41a3-c54c-4a6c-8a5e-1f2f3a4b5c6d"


@pytest.mark.parametrize(
    ("mount", "path", "template"),
    [
        (Mount("/s/{t:int}", routes=[Route("/x", echo)]), "/s/007/x", "/s/{t}/x"),
        (Mount("/u/{id:uuid}", routes=[Route("/x", echo)]), f"/u/{UUID}/x", "/u/{id}/x"),
        (Mount("/f/{at:float}", routes=[Route("/x", echo)]), "/f/1.50/x", "/f/{at}/x"),
        (Mount("/api", routes=[Route("/{name}", echo)]), "/api/api", "/api/{name}"),
        (Mount("/s/{t}", routes=[Route("/cart/{id}", echo)]), "/s/s/cart/s", "/s/{t}/cart/{id}"),
        (Mount("/s/{t}", routes=[Route("/cart/{id}", echo)]), "/s/cart/cart/5", "/s/{t}/cart/{id}"),
        (Mount("/s/{t}", routes=[Route("/x", echo)]), "/s/a%20b/x", "/s/{t}/x"),
        (
            Mount("/a", routes=[Mount("/{b}", routes=[Route("/{c}", echo)])]),
            "/a/a/a",
            "/a/{b}/{c}",
        ),
        (Mount("/g/{t}", GZipMiddleware(starlette_of(Mount("/h/{u}", routes=[Route("/x", echo)])))),
         "/g/1/h/2/x", "/g/{t}/h/{u}/x"),
        (Mount("", routes=[Mount("/a/{b}", routes=[Route("/x", echo)])]), "/a/b/x", "/a/{b}/x"),
        (Host("test", starlette_of(Mount("/a/{b}", routes=[Route("/x", echo)]))), "/a/b/x",
         "/a/{b}/x"),
    ],
)  # fmt: skip
async def test_a_mount_is_named_by_its_template_and_never_by_values(
    seen: Seen, mount: Any, path: str, template: str
) -> None:
    apps = [starlette_of(mount), FastAPI(routes=[mount]), GZipMiddleware(starlette_of(mount))]
    for app in apps:
        assert (await routes_of(app, seen, path))[-1] == template


async def test_a_mount_that_no_table_explains_shares_one_name(seen: Seen) -> None:
    inner = starlette_of(Mount("/secret", routes=[Route("/x", echo)]))

    async def hidden(scope: Scope, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    app = starlette_of(Mount("/t/{tenant}", hidden))
    assert await routes_of(app, seen, "/t/acme/secret/x") == ["(mounted)/x"]


async def test_within_a_mounted_app_routes_are_that_apps_own(seen: Seen) -> None:
    inner = starlette_of(Mount("/b/{c}", routes=[Route("/x", echo)]), Route("/y", echo))
    watched = opsboard.LatencyMiddleware(inner, service="s", to=seen)
    async with client(starlette_of(Mount("/a/{t}", watched))) as http:
        for path in ("/a/a/b/a/x", "/a/b/y"):
            assert (await http.get(path)).status_code == 200
    assert [row[0] for row in seen.rows()] == ["/b/{c}/x", "/y"]


async def test_beyond_its_bound_the_middleware_remembers_no_more_series(
    seen: Seen, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsboard.adapters.http.series_numbers.MAX_SERIES", 2)

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        scope["path_template"] = scope["path"]
        await start(send)
        await send({"type": "http.response.body", "body": b""})

    middleware = watched(app, seen, clock)
    for path in ("/1", "/2", "/3", "/1", "/4"):
        await middleware({**scope(), "path": path}, receive, ignore)
    assert [row[0] for row in seen.rows()] == ["/1", "/2", "/3", "/1", "/4"]
    assert len(middleware._series) == 2
