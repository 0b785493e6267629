"""What a latency middleware adds to a request: direct ASGI calls in this process, no socket."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast

import opsboard
import uvloop
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.plugins.prometheus import PrometheusConfig
from opsboard.adapters.http.middleware import ASGIApp, LatencyMiddleware, Message, Scope

from .report import Bar, interleaved, print_table, progress

LITESTAR = "Litestar, bare"
LITESTAR_OPSBOARD = "Litestar + opsboard"
LITESTAR_PROMETHEUS = "Litestar + its Prometheus middleware"
FASTAPI = "FastAPI, bare"
FASTAPI_OPSBOARD = "FastAPI + opsboard"
FASTAPI_INSTRUMENTATOR = "FastAPI + prometheus-fastapi-instrumentator"
FASTAPI_EXPORTER = "FastAPI + starlette_exporter"

MAX_ADDED_US = 2.5
MAX_SHARE_OF_PROMETHEUS = 1 / 8

REQUESTS = {LITESTAR: 100_000, FASTAPI: 30_000}
"""In a round of each that is compared with this one: some seconds, so that samples are drained
many times on the way."""
WARM_UP_REQUESTS = 1_000
DIFFERENT_IDS = 100
REQUESTS_PER_TURN_OF_THE_LOOP = 16


@dataclass(frozen=True)
class Serving:
    """An app, and how to wait for what it left to do: its samples' commits, and their fold."""

    app: ASGIApp
    settle: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Contender:
    """A way to serve; `bare` names what its cost is added to."""

    name: str
    bare: str
    serving: Callable[[], AbstractAsyncContextManager[Serving]]


@dataclass(frozen=True)
class Cost:
    """Microseconds for each request."""

    wall: float
    cpu: float


Costs = Mapping[str, Cost]


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds = 3 if quick else 11
    contenders = _contenders()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        costs = runner.run(_measure_all(contenders, rounds))
    print_table(
        f"Latency middleware, in-process: {rounds} rounds of {REQUESTS[LITESTAR]:,} requests "
        f"(FastAPI: {REQUESTS[FASTAPI]:,}), medians",
        ["", "us/request", "added us", "of Litestar's", "CPU us", "added CPU us"],
        [_row(contender, costs) for contender in contenders],
    )
    added = _added(costs, LITESTAR_OPSBOARD, LITESTAR)
    return [
        Bar("opsboard's middleware adds to a request", added, MAX_ADDED_US, unit=" us"),
        Bar(
            "what it adds / what Litestar's Prometheus middleware adds",
            added / _added(costs, LITESTAR_PROMETHEUS, LITESTAR),
            MAX_SHARE_OF_PROMETHEUS,
        ),
    ]


def _added(costs: Costs, name: str, bare: str) -> float:
    return costs[name].wall - costs[bare].wall


def _row(contender: Contender, costs: Costs) -> Sequence[str]:
    cost, bare = costs[contender.name], costs[contender.bare]
    if contender.name == contender.bare:
        return [contender.name, f"{cost.wall:.2f}", "", "", f"{cost.cpu:.2f}", ""]
    added = cost.wall - bare.wall
    share = added / _added(costs, LITESTAR_PROMETHEUS, LITESTAR)
    return [
        contender.name,
        f"{cost.wall:.2f}",
        f"{added:.2f}",
        f"{share:.3f}",
        f"{cost.cpu:.2f}",
        f"{cost.cpu - bare.cpu:.2f}",
    ]


async def _measure_all(contenders: Sequence[Contender], rounds: int) -> Costs:
    seen: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for number, contender in interleaved(contenders, rounds):
        progress(f"middleware, round {number + 1} of {rounds}: {contender.name}")
        async with contender.serving() as serving:
            seen[contender.name].append(await measure(serving, REQUESTS[contender.bare]))
    return {
        name: Cost(median(c.wall for c in costs), median(c.cpu for c in costs))
        for name, costs in seen.items()
    }


async def measure(serving: Serving, requests: int) -> Cost:
    """What a request costs, until all that it left to do is stored and folded."""
    await _check(serving.app)
    await _drive(serving.app, WARM_UP_REQUESTS)
    await serving.settle()
    gc.collect()
    started, cpu_started = time.perf_counter_ns(), time.process_time_ns()
    await _drive(serving.app, requests)
    await serving.settle()
    cpu = time.process_time_ns() - cpu_started
    wall = time.perf_counter_ns() - started
    return Cost(wall / requests / 1_000, cpu / requests / 1_000)


async def _drive(app: ASGIApp, requests: int) -> None:
    for number in range(requests):
        await app(_scope(number), _receive, _send)
        # None of these calls ever waits, so without this the samples' commits would never overlap
        # with requests, as they do in a server.
        if number % REQUESTS_PER_TURN_OF_THE_LOOP == 0:
            await asyncio.sleep(0)


async def _check(app: ASGIApp) -> None:
    """Raises unless the app answers as it should: an error would be measured just as well."""
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await app(_scope(7), _receive, keep)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    if sent[0]["status"] != 200 or body.replace(b" ", b"") != b'{"id":7}':  # noqa: PLR2004
        raise RuntimeError(f"the app answered {sent}")


_PATHS = [f"/items/{number}" for number in range(DIFFERENT_IDS)]
_HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"benchmark"),
    (b"accept", b"*/*"),
]


def _scope(number: int) -> Scope:
    path = _PATHS[number % DIFFERENT_IDS]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": _HEADERS,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "state": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Message) -> None:
    pass


async def _nothing() -> None:
    pass


def _contenders() -> Sequence[Contender]:
    litestar, fastapi = _litestar(), fastapi_app()
    prometheus = PrometheusConfig(group_path=True)
    contenders = [
        _plain(LITESTAR, LITESTAR, litestar),
        _observed(LITESTAR_OPSBOARD, LITESTAR, litestar),
        _plain(LITESTAR_PROMETHEUS, LITESTAR, _litestar(prometheus.middleware)),
        _plain(FASTAPI, FASTAPI, fastapi),
        _observed(FASTAPI_OPSBOARD, FASTAPI, fastapi),
    ]
    for name, make in (
        (FASTAPI_INSTRUMENTATOR, _instrumented),
        (FASTAPI_EXPORTER, _exporting),
    ):
        try:
            contenders.append(_plain(name, FASTAPI, make()))
        except ImportError as error:
            progress(f"{name} is left out: {error}")
    return contenders


def _litestar(*middleware: Any) -> ASGIApp:
    @get("/items/{id:int}")
    async def item(id: int) -> dict[str, int]:
        return {"id": id}

    app = Litestar([item], middleware=middleware, openapi_config=None, logging_config=None)
    return cast("ASGIApp", app)


def fastapi_app() -> FastAPI:
    """The app that all with FastAPI serve."""
    app = FastAPI(openapi_url=None)

    @app.get("/items/{id}")
    async def item(id: int) -> dict[str, int]:
        return {"id": id}

    return app


def _instrumented() -> ASGIApp:
    app = fastapi_app()
    import_module("prometheus_fastapi_instrumentator").Instrumentator().instrument(app)
    return app


def _exporting() -> ASGIApp:
    app = fastapi_app()
    app.add_middleware(import_module("starlette_exporter").PrometheusMiddleware)
    return app


def _plain(name: str, bare: str, app: ASGIApp) -> Contender:
    @asynccontextmanager
    async def serving() -> AsyncIterator[Serving]:
        yield Serving(app, _nothing)

    return Contender(name, bare, serving)


def _observed(name: str, bare: str, app: ASGIApp) -> Contender:
    """The app with opsboard outermost, over a new SQLite store, with all its background work."""

    @asynccontextmanager
    async def serving() -> AsyncIterator[Serving]:
        with TemporaryDirectory() as folder:
            async with opsboard.open(f"sqlite:///{Path(folder) / 'ops.db'}") as board:
                observed = LatencyMiddleware(app, service="benchmark", to=board)

                async def settle() -> None:
                    await board.samples.flush()
                    await board.rollups.catch_up()

                yield Serving(observed, settle)
                if board.samples.dropped:
                    raise RuntimeError("samples were dropped, which costs less than keeping them")

    return Contender(name, bare, serving)
