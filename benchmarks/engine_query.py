"""The last day of every series with p50, p95 and p99: opsboard against databases."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .engine_store import Filled, last_day, open_board, run_async
from .peers import Answer, Peer, PeerMissing, Start, answer_of, check_agreement
from .peers_duckdb import duckdb_table
from .peers_postgres import postgres_table
from .peers_prometheus import prometheus, victoria_metrics
from .peers_sqlite import sqlite_rows
from .report import Bar, print_table, progress
from .traffic import Traffic

DUCKDB = "DuckDB, one thread, quantile_cont"
POSTGRES = "PostgreSQL, percentile_cont"
ROWS = "rows in SQLite, window functions"
VICTORIA = "VictoriaMetrics, quantiles_over_time"
PROMETHEUS = "Prometheus, quantile_over_time"

QUESTIONS_A_TURN = 5
CLAIMED_AT = 100_000_000
MAX_MS = 110.0
MIN_OF_DUCKDB = 30.0

_STARTS: Mapping[str, Start] = {
    DUCKDB: duckdb_table,
    POSTGRES: postgres_table,
    ROWS: sqlite_rows,
    VICTORIA: victoria_metrics,
    PROMETHEUS: prometheus,
}
_QUICK = {DUCKDB: 10_000_000, POSTGRES: 1_000_000, ROWS: 1_000_000, VICTORIA: 100_000}
_FULL = {DUCKDB: CLAIMED_AT, POSTGRES: 10_000_000, ROWS: 1_000_000, VICTORIA: 1_000_000}


class Contest(NamedTuple):
    """What one peer and opsboard saw of the same question; medians, in ms."""

    peer: str
    version: str
    samples: int
    theirs: float
    ours: float

    @property
    def ratio(self) -> float:
        """How many times faster opsboard was."""
        return self.theirs / self.ours


def run(quick: bool, stores: Mapping[int, Filled]) -> Sequence[Bar]:
    """Measure over these stores, print the table, give the bars."""
    rounds = 2 if quick else 3
    sizes = _QUICK if quick else _FULL
    contests: list[Contest] = []
    for name in _STARTS:
        samples = sizes.get(name, sizes[VICTORIA])
        wanted = {samples, 10_000_000} if name == DUCKDB else {samples}
        contests += _contests(name, [stores[each] for each in sorted(wanted)], rounds)
    print_table(
        f"The last 24 h of 1,920 series with p50, p95, p99: medians of {rounds} rounds",
        ["", "samples", "ms", "opsboard ms", "times faster", "version"],
        [
            [
                contest.peer,
                f"{contest.samples:,}",
                f"{contest.theirs:,.0f}",
                f"{contest.ours:.0f}",
                f"{contest.ratio:.0f}",
                contest.version,
            ]
            for contest in contests
        ],
    )
    return list(_bars(contests))


def _bars(contests: Sequence[Contest]) -> Iterator[Bar]:
    """What is claimed of 100 M samples, where there were so many."""
    for contest in contests:
        if contest.peer == DUCKDB and contest.samples == CLAIMED_AT:
            asked = f"24 h of {contest.samples:,} samples"
            yield Bar(asked, contest.ours, MAX_MS, unit=" ms")
            yield Bar(f"{asked} / DuckDB", contest.ratio, MIN_OF_DUCKDB, at_least=True)


def _contests(name: str, stores: Sequence[Filled], rounds: int) -> Iterator[Contest]:
    for store in stores:
        try:
            yield _contest(name, store, rounds)
        except PeerMissing as error:
            progress(f"{name} is left out: {error}")
            return


def _contest(name: str, store: Filled, rounds: int) -> Contest:
    ours: list[float] = []
    theirs: list[float] = []
    with _loaded(name, store.samples) as peer:
        for number in range(rounds):
            progress(f"query, round {number + 1} of {rounds}: {name}, {store.samples:,} samples")
            our_answer, seconds = run_async(_ask(store.path))
            ours += seconds
            started = time.perf_counter()
            their_answer = peer.ask()
            theirs.append(time.perf_counter() - started)
            check_agreement(name, our_answer, their_answer)
        version = peer.version
    return Contest(name, version, store.samples, median(theirs) * 1_000, median(ours) * 1_000)


@contextmanager
def _loaded(name: str, samples: int) -> Iterator[Peer]:
    with TemporaryDirectory() as folder, _STARTS[name](Path(folder)) as peer:
        progress(f"query: {name} loads {samples:,} samples")
        peer.load(Traffic(samples).chunks())
        yield peer


async def _ask(path: Path) -> tuple[Answer, list[float]]:
    """The answer, and the seconds that each question took; the first one is not counted."""
    seconds = []
    async with open_board(path) as board:
        answer = await last_day(board)
        for _ in range(QUESTIONS_A_TURN):
            started = time.perf_counter()
            answer = await last_day(board)
            seconds.append(time.perf_counter() - started)
    return answer_of(answer), seconds
