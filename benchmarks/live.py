"""What open event streams cost those who write: `POST /events` with 200 of them and without."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from .events import POST_EVENT, WARM_UP_SECONDS, Outcome, catch_up
from .listeners import listening
from .load import Load, run_for
from .processes import opsboard_server
from .report import Bar, interleaved, print_table, progress

STREAMS = 200
CONNECTIONS = 64
MIN_OF_ALONE = 0.9

ALONE = "nobody listens"
READ = f"{STREAMS} streams, read"
STALLED = f"{STREAMS} streams, never read"


@dataclass(frozen=True)
class Seen:
    """One round: what the client saw, and what the server computed for each event."""

    load: Load
    cpu_us: float


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds, seconds = (3, 1.0) if quick else (15, 2.0)
    rounds_seen = _measure(rounds, seconds)
    outcomes = {name: Outcome.of([s.load for s in seen]) for name, seen in rounds_seen.items()}
    cpu_us = {name: median(s.cpu_us for s in seen) for name, seen in rounds_seen.items()}
    of_alone = {name: _of_alone(seen, rounds_seen[ALONE]) for name, seen in rounds_seen.items()}
    print_table(
        f"POST /events, {CONNECTIONS} connections: {rounds} rounds of {seconds:g} s, medians",
        ["", "requests/s", "p50 ms", "p99 ms", "rate, of alone", "server us/event", "alone/this"],
        [
            [
                name,
                f"{outcome.rate:.0f}",
                f"{outcome.p50:.2f}",
                f"{outcome.p99:.2f}",
                f"{of_alone[name]:.2f}",
                f"{cpu_us[name]:.0f}",
                f"{cpu_us[ALONE] / cpu_us[name]:.2f}",
            ]
            for name, outcome in outcomes.items()
        ],
    )
    return [
        Bar(
            f"POST /events with {name} / without",
            of_alone[name],
            MIN_OF_ALONE,
            at_least=True,
        )
        for name in (READ, STALLED)
    ]


def _of_alone(seen: Sequence[Seen], alone: Sequence[Seen]) -> float:
    """The rate as a share of that of the same round: a machine's speed changes between rounds."""
    pairs = zip(seen, alone, strict=True)
    return median(with_them.load.rate / without.load.rate for with_them, without in pairs)


def _measure(rounds: int, seconds: float) -> Mapping[str, Sequence[Seen]]:
    found: dict[str, list[Seen]] = {ALONE: [], READ: [], STALLED: []}
    with TemporaryDirectory() as folder, opsboard_server(Path(folder)) as server:
        run_for(WARM_UP_SECONDS, server.port, POST_EVENT, CONNECTIONS)
        catch_up(server)
        for round_number, name in interleaved(list(found), rounds):
            progress(f"live, round {round_number + 1} of {rounds}: {name}")
            with _listening(server.port, name):
                before = server.cpu_seconds()
                load = run_for(seconds, server.port, POST_EVENT, CONNECTIONS)
                spent = server.cpu_seconds() - before
            found[name].append(Seen(load, spent / len(load.latencies) * 1e6))
            catch_up(server)
    return found


@contextmanager
def _listening(port: int, how: str) -> Iterator[None]:
    if how == ALONE:
        yield
        return
    with listening(port, STREAMS, reads=how == READ):
        yield
