"""Many worker processes, one place: what they recorded is what the load generator saw."""

import asyncio
import signal
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import opsboard
import pytest

from .. import patience
from ..patience import until
from ..tries import tries
from .ports import free_port
from .server import serving
from .workers import WHAT, WORKERS, Load, Row, counted, running, uvicorn

PATIENT = [
    f"--timeout={patience.SECONDS:.0f}",
    f"--graceful-timeout={patience.SECONDS:.0f}",
    "--no-control-socket",
]
"""A worker that gets no processor for a while is no dead one."""
REQUESTS = 300 * tries(2)


def gunicorn(port: int, *flags: str) -> list[str]:
    return [
        "gunicorn", "workers_app:app", "--worker-class", "uvicorn_worker.UvicornWorker",
        "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}", *PATIENT, *flags,
    ]  # fmt: skip


async def recorded(store: str) -> Counter[Row]:
    async with opsboard.open(store) as board:
        rows = (await board.metrics(service="shop")).requests
    return Counter({(row.route, row.method, row.status_code): row.count for row in rows})


@pytest.mark.parametrize("flags", [(), ("--preload",)], ids=["each loads", "preload"])
async def test_gunicorn_workers_write_one_file(tmp_path: Path, flags: tuple[str, ...]) -> None:
    store, port = f"sqlite:///{tmp_path / 'ops.db'}", free_port()
    load = Load(port)
    with running(gunicorn(port, *flags), port, store) as process:
        await load.until_up()
        await load.run(REQUESTS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=patience.SECONDS) == 0
    assert len(load.workers) == WORKERS
    assert await recorded(store) == load.seen


async def test_gunicorn_workers_ship_to_one_server(tmp_path: Path) -> None:
    store, port = f"sqlite:///{tmp_path / 'ops.db'}", free_port()
    load = Load(port)
    with (
        serving(store) as server,
        running(gunicorn(port, "--preload"), port, server.url) as workers,
    ):
        await load.until_up()
        await load.run(REQUESTS)
        workers.send_signal(signal.SIGTERM)
        assert workers.wait(timeout=patience.SECONDS) == 0
        assert len(load.workers) == WORKERS
        assert counted(server) == load.seen


async def test_threads_and_workers_of_wsgi_ship_to_one_server(tmp_path: Path) -> None:
    """Flask answers what it has no rule for under no route, also with 405."""
    what = [*WHAT[:2], ("PUT", "/items/{}", ("(unmatched)", "PUT", 405)), *WHAT[3:]]
    port = free_port()
    load = Load(port, workers=2, what=what)
    command = ["gunicorn", "wsgi_workers_app:app", "--bind", f"127.0.0.1:{port}"]
    flags = ["--workers", "2", "--threads", "4", *PATIENT]
    with (
        serving(f"sqlite:///{tmp_path / 'ops.db'}") as server,
        running([*command, *flags], port, server.url) as workers,
    ):
        await load.until_up()
        await load.run(REQUESTS)
        workers.send_signal(signal.SIGTERM)
        assert workers.wait(timeout=patience.SECONDS) == 0
        assert counted(server) == load.seen


async def test_a_server_that_was_killed_for_a_while_counts_every_request_once(
    tmp_path: Path,
) -> None:
    """Twice, under load, by SIGKILL: a batch may be durable that was not acknowledged."""
    store, port = f"sqlite:///{tmp_path / 'ops.db'}", free_port()
    load = Load(port, workers=2)
    with ExitStack() as stack:
        server = stack.enter_context(serving(store, "--port", str(free_port())))
        workers = stack.enter_context(running(uvicorn(port), port, server.url))
        await load.until_up()
        await load.run(300)
        for _ in range(2):
            loading = asyncio.create_task(load.run(600))
            await until(partial(counted, server))
            server.process.kill()
            server.process.wait()
            await loading
            await load.run(300)
            server = stack.enter_context(serving(store, "--port", str(server.port)))
        workers.send_signal(signal.SIGTERM)
        workers.wait(timeout=patience.SECONDS)
        assert counted(server) == load.seen
        told = server.client.get("/events?service=shop&type=OPS&limit=500").json()
        assert [event for event in told if event["meta"]["dropped_samples"]] == []
        raised = server.client.get("/events?service=shop&type=EXCEPTION").json()
        assert {event["meta"]["http.route"] for event in raised} == {"/fails"}
