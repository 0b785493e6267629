"""Eight hours of a small shop, the same each time: what screenshots and benchmarks look at.

Four services; two releases. With the second one `pay` becomes slower and loses requests, until it
is taken back.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from opsboard.application.board import Opsboard
from opsboard.domain.exception_event import EventFields, exception_event
from opsboard.domain.sample import Endpoint, SampleBatch

from ...fakes import ManualClock

MINUTE_NS = 60_000_000_000
HOURS = 8
NOW_NS = 1_769_861_160_000_000_000
"""2026-01-31T12:06:00Z."""
MINUTES = HOURS * 60
SLOW_FROM, SLOW_UNTIL = MINUTES - 41, MINUTES - 18
"""The minutes between the bad release and the one that took it back."""
SECONDS_IN = 21
SEED = 20_260_131


class Served(NamedTuple):
    """One route: requests a minute, the middle of its latencies in ms, its answers by status."""

    service: str
    route: str
    method: str
    per_minute: float
    middle_ms: float
    spread: float
    statuses: dict[int, float]


OK = {200: 0.995, 404: 0.004, 500: 0.001}
ROUTES = (
    Served("shop", "/", "GET", 240, 9, 0.45, {200: 1.0}),
    Served("shop", "/products/{id}", "GET", 390, 14, 0.5, {200: 0.97, 404: 0.03}),
    Served("shop", "/cart", "GET", 130, 11, 0.4, OK),
    Served("shop", "/cart", "POST", 84, 24, 0.5, {200: 0.985, 400: 0.012, 500: 0.003}),
    Served("shop", "/checkout", "POST", 22, 140, 0.5, {200: 0.98, 402: 0.015, 502: 0.005}),
    Served("search", "/search", "GET", 210, 38, 0.7, {200: 0.999, 503: 0.001}),
    Served("search", "/suggest", "GET", 320, 6, 0.5, {200: 1.0}),
    Served("pay", "/payments", "POST", 21, 92, 0.45, {201: 0.994, 502: 0.006}),
    Served("pay", "/payments/{id}", "GET", 34, 12, 0.5, OK),
    Served("auth", "/session", "POST", 18, 64, 0.3, {200: 0.92, 401: 0.08}),
    Served("auth", "/session", "GET", 260, 3, 0.4, {200: 0.998, 401: 0.002}),
)
TIMEOUT_TRACE = """Traceback (most recent call last):
  File "/srv/pay/routes.py", line 88, in create_payment
    receipt = gateway.charge(card, amount)
  File "/srv/pay/gateway.py", line 41, in charge
    raise GatewayTimeout(f"no answer from {self.host} within {self.timeout} s")
pay.gateway.GatewayTimeout: no answer from eu-2.gateway.example within 2.0 s"""
KEY_TRACE = """Traceback (most recent call last):
  File "/srv/shop/products.py", line 130, in show_product
    sizes = [variant["size"] for variant in product.variants]
KeyError: 'size'"""


class Said(NamedTuple):
    """An event, and the minute in which somebody said it."""

    minute: int
    level: str
    type: str
    service: str
    message: str
    meta: dict[str, Any]


LAMP = {
    "user": "mara",
    "before": 89,
    "after": 79,
    "product": {"id": 4711, "tags": ["lamp", "sale"]},
}
GATEWAY = "eu-2.gateway.example"
NO_ANSWER = f"no answer from {GATEWAY} within 2.0 s"
SAID = (
    Said(12, "INFO", "OPS", "shop", "Prices imported: 4,212 rows in 38 s", {"rows": 4212}),
    Said(96, "WARN", "SECURITY", "auth", "12 failed sign-ins from one address", {"attempts": 12}),
    Said(190, "INFO", "DEPLOY", "search", "Release 5.2: synonyms", {"commit": "9f31c02"}),
    Said(330, "INFO", "DEPLOY", "shop", "Release 3.14: new product page", {"commit": "4b7e1d9"}),
    Said(362, "INFO", "AUDIT", "shop", "Price of \u201cLamp Aurora\u201d changed by mara", LAMP),
    Said(405, "WARN", "OPS", "search", "The index is 94 s behind the catalogue", {"lag_s": 94}),
    Said(SLOW_FROM, "INFO", "DEPLOY", "pay", "Release 2.8: second gateway", {"commit": "c0ffee1"}),
    Said(448, "ERROR", "OPS", "pay", f"Payments time out: {GATEWAY}", {"gateway": GATEWAY}),
    Said(SLOW_UNTIL, "INFO", "DEPLOY", "pay", "Release 2.8.1: back to one", {"commit": "77d01aa"}),
    Said(471, "INFO", "AUDIT", "shop", "Refund of order 20931 by jon", {"order": 20931}),
    Said(
        477, "INFO", "OPS", "worker", "Nightly invoices sent: 318", {"invoices": 318, "failed": 0}
    ),
)


async def fill(board: Opsboard, clock: ManualClock) -> None:
    """Let the eight hours pass on the board, minute by minute, until `NOW_NS`."""
    dice = np.random.default_rng(SEED)
    clock.time = NOW_NS - MINUTES * MINUTE_NS
    for minute in range(MINUTES):
        clock.time = NOW_NS - (MINUTES - minute) * MINUTE_NS + SECONDS_IN * 10**9
        for said in (said for said in SAID if said.minute == minute):
            fields = said._asdict()
            del fields["minute"]
            await board.record_event(**fields)
        for exception in _exceptions(minute):
            await board.record_event(**exception)
        clock.time = NOW_NS - (MINUTES - 1 - minute) * MINUTE_NS
        await board.record_samples(_samples(dice, minute, clock.time // 1_000_000))
        if minute % 60 == 0:
            for projection in board.projections.values():
                await projection.catch_up()


def _samples(dice: np.random.Generator, minute: int, end_ms: int) -> SampleBatch:
    """What was served in the minute that ends at a moment."""
    tide = 1 + 0.35 * np.sin((minute - 150) / 110) + 0.08 * np.sin(minute / 7)
    drawn: list[Any] = []
    for place, route in enumerate(ROUTES):
        count = int(dice.poisson(route.per_minute * tide * dice.normal(1, 0.05)))
        shares = list(route.statuses.values())
        middle, spread = route.middle_ms, route.spread
        if SLOW_FROM <= minute < SLOW_UNTIL and route.route in {"/payments", "/checkout"}:
            middle, spread = middle * 2.6, spread * 1.5
            shares = [s * 0.9 for s in shares[:-1]] + [1 - 0.9 * sum(shares[:-1])]
        status = dice.choice(list(route.statuses), count, p=np.array(shares) / sum(shares))
        latency = dice.lognormal(np.log(middle), spread, count)
        latency[status >= 500] += 900 if middle > 100 else 30
        ended = end_ms - dice.integers(0, 60_000, count)
        drawn.append((np.full(count, place), status, latency, ended))
    columns = [np.concatenate(column) for column in zip(*drawn, strict=True)]
    order = np.argsort(columns[3], kind="stable")
    of, status, latency, ended = (column[order] for column in columns)
    methods = sorted({route.method for route in ROUTES})
    codes = sorted({code for route in ROUTES for code in route.statuses})
    method = np.array([methods.index(route.method) for route in ROUTES])[of]
    return SampleBatch(
        endpoints=[Endpoint(route.service, route.route) for route in ROUTES],
        methods=methods,
        status_codes=codes,
        endpoint=of,
        method=method,
        status=np.searchsorted(codes, status),
        latency_ns=(latency * 1e6).astype(np.int64),
        ended_at_ms=ended,
    )


def _exceptions(minute: int) -> Iterator[EventFields]:
    """What was raised in a minute."""
    trace_id = f"{minute:032x}"
    if SLOW_FROM < minute < SLOW_UNTIL and minute % 2 == 0:
        yield exception_event(
            "pay.gateway.GatewayTimeout",
            NO_ANSWER,
            TIMEOUT_TRACE,
            service="pay",
            route="/payments",
            method="POST",
            trace_id=trace_id,
        )
    if minute % 37 == 5:
        yield exception_event(
            "KeyError",
            "'size'",
            KEY_TRACE,
            service="shop",
            route="/products/{id}",
            method="GET",
            trace_id=trace_id,
        )
