"""Apps in many worker processes, and the load that counts what they answered."""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from .. import patience
from . import plain_http
from .server import TOKEN, Server, environment

WORKERS = 4
Row = tuple[str, str, int]

What = tuple[str, str, Row]
WHAT: list[What] = [
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

    def __init__(self, port: int, workers: int = WORKERS, what: list[What] = WHAT) -> None:
        self._what = what
        self._wanted = workers
        self.url = f"http://127.0.0.1:{port}"
        self.seen: Counter[Row] = Counter()
        self.workers: set[str] = set()
        self._dice = random.Random(5)

    async def until_up(self) -> None:
        deadline = time.monotonic() + patience.SECONDS
        async with plain_http.async_client(self.url) as client:
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

    async def run_for(self, seconds: float) -> int:
        """How many requests that were."""
        before, end = self.seen.total(), time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.gather(*(self._some(requests_each=50) for _ in range(6)))
        return self.seen.total() - before

    async def _some(self, requests_each: int) -> None:
        async with plain_http.async_client(self.url) as client:
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


def uvicorn(port: int) -> list[str]:
    patient = ["--timeout-worker-healthcheck", str(int(patience.SECONDS))]
    return ["uvicorn", "workers_app:app", "--workers", "2", "--port", str(port), *patient]


def counted(server: Server) -> Counter[Row]:
    rows = server.client.get("/metrics?service=shop").json()["requests"]
    return Counter({(r["route"], r["method"], r["status_code"]): r["count"] for r in rows})
