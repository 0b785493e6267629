"""What the servers of the browser tests are told: an hour of two services, just now."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from ..server import TOKEN, Server

MINUTES = 50
TRACE = """Traceback (most recent call last):
  File "/srv/shop/cart.py", line 12, in load
    return carts[id]
KeyError: 7"""
ROUTES = (
    ("shop", "/cart/{id}", "GET", 200, 12),
    ("shop", "/cart/{id}", "GET", 404, 3),
    ("shop", "/checkout", "POST", 200, 140),
    ("shop", "/checkout", "POST", 500, 900),
    ("pay", "/payments", "POST", 201, 80),
)


def post(server: Server, path: str, body: object) -> Any:
    """The answer to a POST with the token."""
    answer = server.client.post(path, json=body, headers={"X-Ops-Token": TOKEN})
    assert answer.is_success, answer.text
    return answer.json()


def send_samples(server: Server, service: str = "", minutes: int = MINUTES) -> None:
    """Samples of every route, some each minute, up to now; of one service only, if one is named."""
    now = datetime.now(UTC)
    samples = [
        {
            "service": of,
            "route": route,
            "method": method,
            "status_code": status,
            "latency_ms": round(ms * (1 + 0.3 * math.sin(minute + each)), 3),
            "ts": (now - timedelta(minutes=minute, seconds=each)).isoformat(),
        }
        for minute in range(minutes)
        for of, route, method, status, ms in ROUTES
        for each in range(6 if status < 300 else 1)
        if service in {"", of}
    ]
    post(server, "/samples", samples)


def say(server: Server, message: str, **fields: object) -> int:
    """Record an event; its id."""
    body = {"level": "INFO", "type": "OPS", "service": "shop", "message": message, **fields}
    id: int = post(server, "/events", body)["id"]
    return id


def raise_error(server: Server) -> int:
    """Record an exception; the id of its event."""
    meta = {
        "exception.type": "KeyError",
        "exception.message": "7",
        "exception.stacktrace": TRACE,
        "http.route": "/cart/{id}",
    }
    return say(server, "KeyError: 7", level="ERROR", type="EXCEPTION", meta=meta)
