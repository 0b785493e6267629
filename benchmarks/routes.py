"""A million distinct routes by `POST /samples`: what they cost, and what they leave behind."""

import json
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from opsboard.domain.instant import NS_PER_MS
from opsboard.domain.series_key import OTHER_ROUTE

from .ingest import (
    BATCH,
    CONNECTIONS,
    NDJSON,
    Outcome,
    Sender,
    catch_up,
    measure,
    sample_lines,
    sample_sender,
    server_on_its_own_core,
)
from .load import post_request, run_count, run_for
from .processes import TOKEN, Server
from .report import Bar, print_table, progress

ROUTES = 1_000_000
AT_ONCE = 10_000
SERVICE = "scanned"

MIN_AS_FAST = 0.9
MAX_GROWTH_MIB = 96.0
"""For the 20,000 series that a service may have; the others must cost nothing."""

WARM_UP_SECONDS = 2.0


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    routes, rounds, seconds = (100_000, 3, 1.0) if quick else (ROUTES, 7, 2.0)
    now_ms = time.time_ns() // NS_PER_MS
    body = b"\n".join(sample_lines(BATCH, now_ms))
    usual = sample_sender(f"NDJSON, {BATCH:,}", BATCH, body, NDJSON)
    with server_on_its_own_core() as server:
        run_for(WARM_UP_SECONDS, server.port, usual.request, CONNECTIONS)
        catch_up(server)
        before, memory = _usual(server, usual, rounds, seconds), server.resident_mib()
        progress(f"routes: {routes:,} of them")
        load = run_count(routes // AT_ONCE, server.port, _requests(routes), CONNECTIONS)
        catch_up(server)
        during = server.resident_mib()
        after = _usual(server, usual, rounds, seconds)
        rows = json.loads(server.get(f"/metrics?service={SERVICE}"))["requests"]
        memory_after, most = server.resident_mib(), server.resident_mib(at_most=True)
    named, other = _counted(rows)
    print_table(
        f"{routes:,} distinct routes of one service, {AT_ONCE:,} a request; "
        f"{rounds} rounds of {seconds:g} s of usual samples before and after, medians",
        ["", "samples/s", "a CPU second", "MiB"],
        [
            ["usual samples, before", *_rates(before), f"{memory:.0f}"],
            ["distinct routes", f"{routes / load.seconds:,.0f}", "", f"{during:.0f}"],
            ["usual samples, after", *_rates(after), f"{memory_after:.0f}"],
        ],
    )
    print_table(
        f"Where they are counted; at most {most:.0f} MiB",
        ["", "samples"],
        [
            [f"routes of their own: {len(rows) - 1:,}", f"{named:,}"],
            [OTHER_ROUTE, f"{other:,}"],
        ],
    )
    return [
        Bar("samples that are counted", named + other, routes, at_least=True),
        Bar(
            "usual samples a CPU second, after / before",
            after.of_cpu / before.of_cpu,
            MIN_AS_FAST,
            at_least=True,
        ),
        Bar("memory more than before", memory_after - memory, MAX_GROWTH_MIB, unit=" MiB"),
    ]


def _usual(server: Server, usual: Sender, rounds: int, seconds: float) -> Outcome:
    """The median of each figure."""
    seen = [measure(server, usual, seconds) for _ in range(rounds)]
    return Outcome(*map(median, zip(*map(_figures, seen), strict=True)))


def _figures(seen: Outcome) -> Sequence[float]:
    return seen.durable, seen.folded, seen.of_cpu, seen.decoded, seen.p99_ms


def _rates(seen: Outcome) -> Sequence[str]:
    return f"{seen.folded:,.0f}", f"{seen.of_cpu:,.0f}"


def _requests(routes: int) -> Callable[[], bytes]:
    """Gives one request after the other, each with routes that no other has."""
    numbers = iter(range(0, routes, AT_ONCE))
    headers = {"Content-Type": NDJSON}

    def request() -> bytes:
        first = next(numbers)
        body = b"\n".join(_line(number) for number in range(first, first + AT_ONCE))
        return post_request("/samples", body, TOKEN, headers)

    return request


def _line(number: int) -> bytes:
    said = {
        "route": f"/scan/{number}",
        "method": "GET",
        "status_code": 404,
        "latency_ms": 1.5,
        "service": SERVICE,
    }
    return json.dumps(said, separators=(",", ":")).encode()


def _counted(rows: Sequence[Any]) -> tuple[int, int]:
    """How many samples under a route of their own, and how many under the rest."""
    other = sum(row["count"] for row in rows if row["route"] == OTHER_ROUTE)
    return sum(row["count"] for row in rows) - other, other
