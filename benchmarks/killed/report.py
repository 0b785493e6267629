"""The table: `python -m benchmarks killed`."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..load import HOST
from ..peers import PeerMissing
from ..report import Bar, print_table, progress
from .killing import Killing
from .opsboard import Opsboard
from .peers import InfluxDB, Prometheus, VictoriaMetrics
from .subject import Subject

SEED = 1
MOST = 20_000

_SUBJECTS: Sequence[Callable[[Path, int], Subject]] = [
    Opsboard,
    Prometheus,
    VictoriaMetrics,
    InfluxDB,
]


@dataclass(frozen=True)
class Outcome:
    """Of one subject: items that were acknowledged, and what became of them."""

    name: str
    version: str
    acknowledged: int
    missing: int
    doubled: int
    slowest_start: float


def run(quick: bool) -> Sequence[Bar]:
    """Kill each, print the table, give the bars."""
    rounds = 3 if quick else 20
    outcomes = []
    for subject in _SUBJECTS:
        try:
            outcomes.append(_outcome(subject, rounds))
        except PeerMissing as missing:
            progress(f"killed: left out: {missing}")
    print_table(
        f"{rounds} times SIGKILL, after 1 to {MOST:,} acknowledgements",
        ["", "version", "acknowledged", "missing", "there twice", "ready again in s, at most"],
        [_row(outcome) for outcome in outcomes],
    )
    ours = outcomes[0]
    return [
        Bar(
            f"of {ours.acknowledged} acknowledged, missing or double",
            ours.missing + ours.doubled,
            0,
        )
    ]


def _row(outcome: Outcome) -> Sequence[str]:
    return [
        outcome.name,
        outcome.version,
        f"{outcome.acknowledged:,}",
        f"{outcome.missing:,}",
        f"{outcome.doubled:,}",
        f"{outcome.slowest_start:.2f}",
    ]


def _outcome(make: Callable[[Path, int], Subject], rounds: int) -> Outcome:
    with TemporaryDirectory() as folder:
        port = free_port()
        subject = make(Path(folder), port)
        with Killing(subject, port, SEED) as killing:
            killing.start()
            starts = []
            for number in range(rounds):
                progress(f"killed: {subject.name}, round {number + 1} of {rounds}")
                killing.write_and_kill(1, MOST)
                starts.append(killing.start())
            killing.clients.settle()
            found = subject.found()
        acknowledged = [
            item for number in killing.ledger.acknowledged for item in subject.items(number)
        ]
        return Outcome(
            subject.name,
            subject.version,
            len(acknowledged),
            sum(item not in found for item in acknowledged),
            sum(times > 1 for times in found.values()),
            max(starts),
        )


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
