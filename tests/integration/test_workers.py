"""Many worker processes, one place: what they recorded is what the load generator saw."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import opsboard
import pytest

from .. import patience
from ..patience import until
from .ports import free_port
from .server import TOKEN, Server, environment, serving

WORKERS = 4
PATIENT = [
    f"--timeout={patience.SECONDS:.0f}",
    f"--graceful-timeout={patience.SECONDS:.0f}",
    "--no-control-socket",
]
"""A worker that gets no processor for a while is no dead one."""
REQUESTS = 600
Row = tuple[str, str, int]

What = tuple[str, str, Row]
_WHAT: list[What] = [
    ("GET", "/items/{}", ("/items/{id}", "GET", 200)),
    ("POST", "/items/{}", ("/items/{id}", "POST", 200)),
    ("PUT", "/items/{}", ("/items/{id}", "PUT", 405)),
    ("GET", "/fails", ("/fails", "GET", 500)),
    ("GET", "/nothing/{}", ("(unmatched)", "GET", 404)),
]


@contextmanager
def running(command: list[str], port: int, to: str) -> Iterator[subprocess.Popen[bytes]]:
    """The workers, from the first answer to the end of all of them."""
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=Path(__file__).parent,
        env=environment(SHIP_TO=to, OPS_API_TOKEN=TOKEN, PYTHONWARNINGS="ignore"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Load:
    """Sends requests, and counts each by what its answer was."""

    def __init__(self, port: int, workers: int = WORKERS, what: list[What] = _WHAT) -> None:
        self._what = what
        self._wanted = workers
        self.url = f"http://127.0.0.1:{port}"
        self.seen: Counter[Row] = Counter()
        self.workers: set[str] = set()
        self._dice = random.Random(5)

    async def until_up(self) -> None:
        deadline = time.monotonic() + patience.SECONDS
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            while True:
                try:
                    await self._one(client, 0)
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)
                else:
                    return

    async def run(self, requests: int) -> None:
        """Also until every worker has answered."""
        deadline = time.monotonic() + patience.SECONDS
        while requests > 0 or len(self.workers) < self._wanted:
            assert time.monotonic() < deadline
            await asyncio.gather(*(self._some(requests_each=50) for _ in range(6)))
            requests -= 300

    async def _some(self, requests_each: int) -> None:
        async with httpx.AsyncClient(
            base_url=self.url, trust_env=False, timeout=patience.SECONDS
        ) as client:
            for _ in range(requests_each):
                await self._one(client, self._dice.randrange(len(self._what)))

    async def _one(self, client: httpx.AsyncClient, what: int) -> None:
        method, path, row = self._what[what]
        # uvicorn closes a connection whose handler raised: it must not be in use for another one.
        headers = {"Connection": "close"} if path == "/fails" else {}
        place = path.format(self._dice.randrange(100))
        answer = await client.request(method, place, headers=headers)
        assert answer.status_code == row[2]
        self.seen[row] += 1
        if answer.status_code == 200:
            self.workers.add(answer.text)


def gunicorn(port: int, *flags: str) -> list[str]:
    return [
        "gunicorn", "workers_app:app", "--worker-class", "uvicorn_worker.UvicornWorker",
        "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}", *PATIENT, *flags,
    ]  # fmt: skip


def uvicorn(port: int) -> list[str]:
    patient = ["--timeout-worker-healthcheck", str(int(patience.SECONDS))]
    return ["uvicorn", "workers_app:app", "--workers", "2", "--port", str(port), *patient]


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
    what = [*_WHAT[:2], ("PUT", "/items/{}", ("(unmatched)", "PUT", 405)), *_WHAT[3:]]
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


def counted(server: Server) -> Counter[Row]:
    rows = server.client.get("/metrics?service=shop").json()["requests"]
    return Counter({(r["route"], r["method"], r["status_code"]): r["count"] for r in rows})


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
