"""Durable `POST /events`, against server processes of its own and of a peer."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from .load import Load, post_request, run_for
from .processes import TOKEN, Server, fastapi_server, opsboard_server, unstored_server
from .report import Bar, interleaved, print_table, progress

OPSBOARD = "opsboard serve, SQLite"
UNSTORED = "the same route, no store"
FASTAPI = "FastAPI, a commit each"

CONNECTIONS = (1, 16, 64)
AT = CONNECTIONS[-1]

MIN_OF_UNSTORED = 0.6
MIN_OF_FASTAPI = 10.0
MAX_P99_OF_UNSTORED = 4.0

WARM_UP_SECONDS = 0.5
CATCH_UP_SECONDS = 60.0

_BODY = {
    "level": "INFO",
    "type": "DEPLOY",
    "service": "checkout",
    "message": "release 2024.11.3 is live in eu-west-1",
    "meta": {"commit": "4f2d9ab", "by": "ci", "replicas": 6, "seconds": 41.7},
}
POST_EVENT = post_request("/events", json.dumps(_BODY).encode(), TOKEN)
_BEHIND = re.compile(r"(\d+) entries behind")


@dataclass(frozen=True)
class Outcome:
    """Medians over the rounds; latencies in milliseconds."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, loads: Sequence[Load]) -> "Outcome":
        """The medians of these loads."""
        return cls(
            median(load.rate for load in loads),
            median(load.percentile(50) for load in loads),
            median(load.percentile(99) for load in loads),
        )


Outcomes = Mapping[tuple[str, int], Outcome]
Start = Callable[[Path], AbstractContextManager[Server]]

_STARTS: Mapping[str, Start] = {
    OPSBOARD: opsboard_server,
    UNSTORED: unstored_server,
    FASTAPI: fastapi_server,
}


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds, seconds = (3, 0.7) if quick else (7, 1.5)
    with _servers() as servers:
        outcomes, catch_up = _measure_all(servers, rounds, seconds)
    print_table(
        f"POST /events: {rounds} rounds of {seconds:g} s, medians; ratios to opsboard's",
        [
            "",
            "connections",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "opsboard/this",
            "p99: opsboard/this",
        ],
        [_row(name, number, outcomes) for number in CONNECTIONS for name in _STARTS],
    )
    print_table(
        "What opsboard has left to index when the load ends",
        ["connections", "seconds until all is indexed"],
        [[str(number), f"{catch_up[number]:.2f}"] for number in CONNECTIONS],
    )
    return _bars(outcomes)


def _bars(outcomes: Outcomes) -> Sequence[Bar]:
    ours, unstored, fastapi = (outcomes[name, AT] for name in (OPSBOARD, UNSTORED, FASTAPI))
    return [
        Bar(
            f"POST /events at {AT} connections / the same route without a store",
            ours.rate / unstored.rate,
            MIN_OF_UNSTORED,
            at_least=True,
        ),
        Bar(
            f"POST /events at {AT} connections / FastAPI with a commit each",
            ours.rate / fastapi.rate,
            MIN_OF_FASTAPI,
            at_least=True,
        ),
        Bar(
            f"its p99 at {AT} connections / p99 without a store",
            ours.p99 / unstored.p99,
            MAX_P99_OF_UNSTORED,
        ),
    ]


def _row(name: str, connections: int, outcomes: Outcomes) -> Sequence[str]:
    this, ours = outcomes[name, connections], outcomes[OPSBOARD, connections]
    ratios = (
        [""] * 2 if this is ours else [_ratio(ours.rate, this.rate), _ratio(ours.p99, this.p99)]
    )
    return [
        name,
        str(connections),
        f"{this.rate:.0f}",
        f"{this.p50:.2f}",
        f"{this.p99:.2f}",
        *ratios,
    ]


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}"


@contextmanager
def _servers() -> Iterator[Mapping[str, Server]]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {}
        for name, start in _STARTS.items():
            progress(f"events: starting {name}")
            servers[name] = stack.enter_context(start(Path(folder)))
            run_for(WARM_UP_SECONDS, servers[name].port, POST_EVENT, AT)
        catch_up(servers[OPSBOARD])
        yield servers


def _measure_all(
    servers: Mapping[str, Server], rounds: int, seconds: float
) -> tuple[Outcomes, Mapping[int, float]]:
    contests = [(name, number) for number in CONNECTIONS for name in _STARTS]
    loads: dict[tuple[str, int], list[Load]] = {contest: [] for contest in contests}
    catch_ups: dict[int, list[float]] = {number: [] for number in CONNECTIONS}
    for round_number, (name, number) in interleaved(contests, rounds):
        progress(f"events, round {round_number + 1} of {rounds}: {name}, {number} connections")
        loads[name, number].append(run_for(seconds, servers[name].port, POST_EVENT, number))
        if name == OPSBOARD:
            catch_ups[number].append(catch_up(servers[name]))
    return (
        {contest: Outcome.of(seen) for contest, seen in loads.items()},
        {number: median(seen) for number, seen in catch_ups.items()},
    )


def catch_up(server: Server) -> float:
    """Wait until every event is indexed, so that this work does not fall to the next contender."""
    started = time.perf_counter()
    while time.perf_counter() - started < CATCH_UP_SECONDS:
        detail = json.loads(server.get("/readyz"))["checks"]["event_index"]["detail"]
        behind = _BEHIND.match(detail)
        if behind is not None and int(behind[1]) == 0:
            return time.perf_counter() - started
        time.sleep(0.02)
    raise RuntimeError(f"events are not indexed after {CATCH_UP_SECONDS:.0f} s")
