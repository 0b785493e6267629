"""Clients of a server that fails, and the account of what they were told."""

import asyncio
from itertools import count

import httpx

from ..server import TOKEN, Server
from .serving_on import check_refusal, messages

CLIENTS = 8
POSTS = 240
SAMPLES = {"method": "GET", "status_code": 200, "latency_ms": 1.5}


class Ledger:
    """What clients sent, by the name of each, and what was acknowledged."""

    def __init__(self, posts: int | None = POSTS) -> None:
        """`posts` of them, or for as long as they are answered."""
        self.waiting = count() if posts is None else iter(range(posts))
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.in_doubt: set[str] = set()

    async def run(self, server: Server) -> None:
        await asyncio.gather(*(self._post_all(server) for _ in range(CLIENTS)))

    async def _post_all(self, server: Server) -> None:
        headers = {"X-Ops-Token": TOKEN}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
            for number in self.waiting:
                name = f"{'samples' if number % 3 == 0 else 'event'} {number}"
                try:
                    answer = await self._post(client, name)
                except httpx.TransportError:
                    self.in_doubt.add(name)
                    return
                (self.acknowledged if answer.is_success else self.refused).add(name)
                if not answer.is_success:
                    check_refusal(answer, "the store can not be written")

    async def _post(self, client: httpx.AsyncClient, name: str) -> httpx.Response:
        if name.startswith("samples"):
            rows = [{"service": "shop", "route": f"/{name}", **SAMPLES}] * 5
            return await client.post("/samples", json=rows)
        body = {"level": "INFO", "type": "OPS", "message": name, "meta": {"filler": "x" * 500}}
        return await client.post("/events", json=body, headers={"Idempotency-Key": name})

    def check(self, server: Server) -> None:
        """All that was acknowledged is there once and whole, and nothing that was refused."""
        found = messages(server)
        assert len(found) == len(set(found))
        rows = server.client.get("/metrics?service=shop").json()["requests"]
        counts = {row["route"][1:]: row["count"] for row in rows}
        assert set(counts.values()) <= {5}
        kept = set(found) | counts.keys()
        assert self.acknowledged <= kept
        assert kept <= self.acknowledged | self.in_doubt
