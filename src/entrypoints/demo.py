"""Traffic that looks like a small shop's busy afternoon."""

import asyncio
import random
from collections import Counter
from typing import Any

import httpx

from .remote import ServerRefused

_READS = (
    ("/health", 12),
    ("/metrics", 6),
    ("/metrics?last=15m", 3),
    ("/events", 10),
    ("/events?level=ERROR", 4),
    ("/events?q=payment", 3),
    ("/events/summary", 4),
    ("/events/1", 5),
    ("/events/999999999", 1),
    ("/readyz", 4),
    ("/wp-login.php", 1),
)
_EVENTS: tuple[tuple[dict[str, Any], int], ...] = (
    ({"level": "INFO", "type": "AUDIT", "service": "shop", "message": "Order {n} placed"}, 30),
    ({"level": "INFO", "type": "OPS", "service": "worker", "message": "The job took {n} ms"}, 8),
    ({"level": "WARN", "type": "OPS", "service": "shop", "message": "Slow query: {n} ms"}, 10),
    ({"level": "ERROR", "type": "OPS", "service": "pay", "message": "Payment {n} timed out"}, 4),
    ({"level": "WARN", "type": "SECURITY", "service": "auth", "message": "{n} failed logins"}, 3),
    ({"level": "INFO", "type": "DEPLOY", "service": "shop", "message": "Release 1.{n} is live"}, 1),
    ({"level": "FATAL", "type": "OPS", "service": "pay", "message": "Out of memory at {n} MiB"}, 1),
)
_WRITE_SHARE = 0.3


async def run(url: str, *, seconds: float, rate: float, seed: int, token: str | None) -> str:
    """Send about `rate` requests a second for `seconds`, and sum up what was answered.

    Without a token only reads are sent. Raises `ServerRefused` if the server can not be reached.
    """
    dice = random.Random(seed)  # noqa: S311
    statuses: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(base_url=url, timeout=10.0) as client:
        end = loop.time() + seconds
        at = loop.time()
        while at < end:
            await asyncio.sleep(max(0.0, at - loop.time()))
            statuses[await _send_one(client, dice, token)] += 1
            at += dice.expovariate(rate)
    said = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    note = "" if token else "; no event was posted: no token (OPS_API_TOKEN or --token)"
    return f"{statuses.total()} requests: {said}{note}"


async def _send_one(client: httpx.AsyncClient, dice: random.Random, token: str | None) -> int:
    try:
        if token and dice.random() < _WRITE_SHARE:
            answer = await client.post("/events", json=_event(dice), headers={"X-Ops-Token": token})
        else:
            answer = await client.get(_pick(dice, _READS))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerRefused(f"{client.base_url} can not be reached: {error}") from error
    return answer.status_code


def _event(dice: random.Random) -> dict[str, Any]:
    template = _pick(dice, _EVENTS)
    number = dice.randrange(1, 5_000)
    request_id = f"{dice.getrandbits(48):012x}"
    message = template["message"].format(n=number)
    return {**template, "message": message, "meta": {"request_id": request_id}}


def _pick(dice: random.Random, weighted: Any) -> Any:
    values, weights = zip(*weighted, strict=True)
    return dice.choices(values, weights)[0]
