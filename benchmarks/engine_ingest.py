"""Durable ingest in this process, against rows in SQLite."""

import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from opsboard.domain.sample import SampleBatch

from .engine_store import Stopwatch, TrafficClock, open_board, record, run_async
from .peers import rows_of
from .peers_sqlite import SqliteRows, sqlite_rows
from .report import Bar, interleaved, print_table, progress
from .traffic import Traffic

OPSBOARD = "opsboard, batches of {:,}"
ROWS = "rows in SQLite, indexed, transactions of {:,}"
LARGE, MIDDLE, SMALL = 100_000, 10_000, 1_000

MIN_RATE = 0.8e6
MIN_OF_ROWS = 4.0

Rates = Mapping[str, Sequence[float]]


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds, chunks = (3, 3) if quick else (9, 10)
    with TemporaryDirectory() as folder:
        seen = _measure_all(Path(folder), rounds, chunks)
    rates = {name: median(of_name) for name, of_name in seen.items()}
    ours, rows = OPSBOARD.format(LARGE), ROWS.format(LARGE)
    print_table(
        f"Durable ingest in one process: {rounds} rounds of {chunks * LARGE:,} samples, medians",
        ["", "samples/s", "best round", "of rows in SQLite"],
        [
            [name, f"{rate:,.0f}", f"{max(seen[name]):,.0f}", f"{rate / rates[rows]:.1f}"]
            for name, rate in rates.items()
        ],
    )
    return [
        Bar(
            f"samples/s, durable and folded, in batches of {LARGE:,}",
            rates[ours],
            MIN_RATE,
            at_least=True,
        ),
        Bar(
            "samples/s / indexed rows/s in SQLite",
            rates[ours] / rates[rows],
            MIN_OF_ROWS,
            at_least=True,
        ),
    ]


def _measure_all(folder: Path, rounds: int, chunks: int) -> Rates:
    """Each contender has a file of its own, which grows from round to round."""
    total = rounds * chunks * LARGE
    sizes = {OPSBOARD.format(size): size for size in (LARGE, MIDDLE, SMALL)}
    contenders = [*sizes, ROWS.format(LARGE)]
    traffic = {name: Traffic(total).chunks(sizes.get(name, LARGE)) for name in contenders}
    seen: dict[str, list[float]] = {name: [] for name in contenders}
    with sqlite_rows(folder) as table:
        for number, name in interleaved(contenders, rounds):
            progress(f"ingest, round {number + 1} of {rounds}: {name}")
            size = sizes.get(name, LARGE)
            batches = list(islice(traffic[name], chunks * LARGE // size))
            if name in sizes:
                seconds = run_async(_record_all(folder / f"{size}.db", batches))
            else:
                seconds = _insert_all(table, batches)
            seen[name].append(chunks * LARGE / seconds)
    return seen


async def _record_all(path: Path, batches: Sequence[SampleBatch]) -> float:
    """Seconds until all are durable and folded, one batch after the other."""
    clock = TrafficClock(int(batches[0].ended_at_ms[0]))
    async with open_board(path, clock) as board:
        started = time.perf_counter()
        for batch in batches:
            await record(board, clock, batch)
        await board.rollups.catch_up()
        return time.perf_counter() - started


def _insert_all(table: SqliteRows, batches: Sequence[SampleBatch]) -> float:
    """Seconds until all are durable; making tuples out of the columns is not counted."""
    watch = Stopwatch()
    for batch in batches:
        rows = list(rows_of(batch))
        watch.go()
        table.insert(rows)
        watch.stop()
    return watch.taken().wall
