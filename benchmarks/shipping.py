"""What shipping to a server adds to a request, against OpenTelemetry's instrumentation.

Direct ASGI calls in this process, and a real server in another one that takes what is shipped.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

import uvloop
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opsboard.adapters.http.middleware import ASGIApp, LatencyMiddleware
from opsboard.adapters.shipper.address import Address
from opsboard.adapters.shipper.http_carrier import HttpCarrier
from opsboard.adapters.shipper.shipper import Shipper

from .middleware import Cost, Serving, fastapi_app, measure
from .processes import TOKEN, Server, opsboard_server
from .report import Bar, interleaved, print_table, progress

BARE = "FastAPI, bare"
SHIPS = "FastAPI + opsboard, shipping"
OPENTELEMETRY = "FastAPI + OpenTelemetry, batch exporter"

MAX_ADDED_US = 3.0
MAX_SHARE_OF_OPENTELEMETRY = 1 / 30
MAX_IMPORT_MS = 50.0
MAX_WAITING_SPANS = 1 << 16

_IMPORT = """
import time
started = time.perf_counter()
import opsboard
async def app(scope, receive, send): pass
opsboard.LatencyMiddleware(app, service="shop", to="http://127.0.0.1:9", token="t")
print((time.perf_counter() - started) * 1_000)
"""


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds, requests = (3, 10_000) if quick else (9, 20_000)
    with TemporaryDirectory() as folder, opsboard_server(Path(folder)) as server:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            costs = runner.run(_measure_all(server, rounds, requests))
        rows = server.get("/metrics")
    if b'"service":"benchmark"' not in rows.replace(b" ", b""):
        raise RuntimeError("nothing was shipped")
    imports = min(_import_ms() for _ in range(5 if quick else 15))
    added = costs[SHIPS].cpu - costs[BARE].cpu
    share = added / (costs[OPENTELEMETRY].cpu - costs[BARE].cpu)
    print_table(
        f"Shipping, in-process: {rounds} rounds of {requests} requests, medians; "
        f"import and middleware {imports:.0f} ms",
        ["", "us/request", "added us", "CPU us, all threads", "added CPU us"],
        [_row(name, cost, costs[BARE]) for name, cost in costs.items()],
    )
    return [
        Bar("CPU that shipping adds to a request, all threads", added, MAX_ADDED_US, unit=" us"),
        Bar("what it adds / what OpenTelemetry's adds", share, MAX_SHARE_OF_OPENTELEMETRY),
        Bar("import opsboard and make the middleware", imports, MAX_IMPORT_MS, unit=" ms"),
    ]


def _row(name: str, cost: Cost, bare: Cost) -> Sequence[str]:
    wall, cpu = cost.wall - bare.wall, cost.cpu - bare.cpu
    return [name, f"{cost.wall:.2f}", f"{wall:.2f}", f"{cost.cpu:.2f}", f"{cpu:.2f}"]


async def _measure_all(server: Server, rounds: int, requests: int) -> Mapping[str, Cost]:
    contenders = {BARE: _bare, SHIPS: _ships, OPENTELEMETRY: _opentelemetry}
    seen: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number, name in interleaved(list(contenders), rounds):
        progress(f"shipping, round {number + 1} of {rounds}: {name}")
        async with contenders[name](server) as serving:
            seen[name].append(await measure(serving, requests))
    return {
        name: Cost(median(c.wall for c in costs), median(c.cpu for c in costs))
        for name, costs in seen.items()
    }


async def _nothing() -> None:
    pass


@asynccontextmanager
async def _bare(_: Server) -> AsyncIterator[Serving]:
    yield Serving(cast(ASGIApp, fastapi_app()), _nothing)


@asynccontextmanager
async def _ships(server: Server) -> AsyncIterator[Serving]:
    address = Address.parse(f"http://127.0.0.1:{server.port}")
    shipper = Shipper(lambda: HttpCarrier(address, TOKEN, "benchmark"))
    app = LatencyMiddleware(cast(ASGIApp, fastapi_app()), service="benchmark", to=shipper)
    yield Serving(app, shipper.settle)
    if shipper.unsent:
        raise RuntimeError("samples were not shipped, which costs less than shipping them")


@asynccontextmanager
async def _opentelemetry(server: Server) -> AsyncIterator[Serving]:
    exporter = OTLPSpanExporter(
        f"http://127.0.0.1:{server.port}/v1/traces", headers={"x-ops-token": TOKEN}
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "opentelemetry"}))
    # With its default of 2,048, spans would be dropped, which costs less than exporting them.
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MAX_WAITING_SPANS))
    app = OpenTelemetryMiddleware(fastapi_app(), tracer_provider=provider)

    async def flush() -> None:
        await asyncio.to_thread(provider.force_flush)

    try:
        yield Serving(cast(ASGIApp, app), flush)
    finally:
        await asyncio.to_thread(provider.shutdown)


def _import_ms() -> float:
    said = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, check=True)
    return float(said.stdout)
