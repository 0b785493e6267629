"""How long an event waits to be durable while samples stream in and snapshots are asked for."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

from opsboard.application.board import Opsboard
from opsboard.domain.sample import SampleBatch

from .engine_store import Filled, TrafficClock, last_day, open_board, run_async
from .load import Load
from .report import Bar, interleaved, print_table, progress
from .traffic import Traffic

SAMPLES_A_SECOND = 20_000
BATCH = 1_000
EVENT_EVERY_SECONDS = 0.005
SNAPSHOT_EVERY_SECONDS = 1.0

CALM = "nothing beside it"
BUSY = f"{SAMPLES_A_SECOND:,} samples/s, a snapshot of 24 h a second"

MAX_P99_MS = 5.0
MAX_OF_CALM = 5.0


def run(quick: bool, store: Filled) -> Sequence[Bar]:
    """Measure over this store, print the table, give the bars."""
    rounds, seconds = (3, 4.0) if quick else (9, 10.0)
    loads: dict[str, list[Load]] = {CALM: [], BUSY: []}
    clock = TrafficClock()
    for number, name in interleaved(list(loads), rounds):
        progress(f"latency, round {number + 1} of {rounds}: {name}")
        loads[name].append(run_async(_measure(store.path, clock, seconds, loaded=name == BUSY)))
    print_table(
        f"An event until it is durable, one every {EVENT_EVERY_SECONDS * 1_000:.0f} ms, "
        f"over {store.samples:,} samples: medians of {rounds} rounds of {seconds:.0f} s",
        ["", "events", "p50 ms", "p99 ms", "p99.9 ms", "most"],
        [_row(name, of_name) for name, of_name in loads.items()],
    )
    calm, busy = (_percentile(loads[name], 99) for name in (CALM, BUSY))
    return [
        Bar(f"an event's p99 beside {SAMPLES_A_SECOND:,} samples/s", busy, MAX_P99_MS, unit=" ms"),
        Bar("the same / p99 with nothing beside", busy / calm, MAX_OF_CALM),
    ]


def _row(name: str, loads: Sequence[Load]) -> Sequence[str]:
    figures = [_percentile(loads, percent) for percent in (50, 99, 99.9, 100)]
    events = sum(len(load.latencies) for load in loads)
    return [name, str(events), *(f"{ms:.2f}" for ms in figures)]


def _percentile(loads: Sequence[Load], percent: float) -> float:
    return median(load.percentile(percent) for load in loads)


async def _measure(path: Path, clock: TrafficClock, seconds: float, *, loaded: bool) -> Load:
    """At the time where the round before ended: nothing may have ended later than now."""
    async with open_board(path, clock) as board:
        await last_day(board)
        work = [_stream(board, clock), _ask(board)] if loaded else []
        tasks = [asyncio.create_task(job) for job in work]
        try:
            return await _say(board, seconds)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for outcome in ended:
                if not isinstance(outcome, asyncio.CancelledError):
                    raise RuntimeError("the load ended early") from outcome


async def _say(board: Opsboard, seconds: float) -> Load:
    """One event after another, each when it is due or as soon after that as it can be."""
    latencies = []
    started = due = time.perf_counter()
    while due < started + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        said_at = time.perf_counter()
        await board.record_event("release 2024.11.3 is live in eu-west-1", type="DEPLOY")
        latencies.append(time.perf_counter() - said_at)
        due += EVENT_EVERY_SECONDS
    return Load(time.perf_counter() - started, sorted(latencies))


async def _stream(board: Opsboard, clock: TrafficClock) -> None:
    """Samples that end now, in small batches."""
    started, began_ms = time.perf_counter(), clock.at_ms
    for number, batch in enumerate(cycle(list(Traffic(100_000).chunks(BATCH)))):
        due = started + number * BATCH / SAMPLES_A_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        clock.at_ms = began_ms + int((due - started) * 1_000)
        await board.record_samples(_at(batch, clock.at_ms))


def _at(batch: SampleBatch, end_ms: int) -> SampleBatch:
    """The same requests, ending as a second before this moment would have them."""
    return SampleBatch(
        endpoints=batch.endpoints,
        methods=batch.methods,
        status_codes=batch.status_codes,
        endpoint=batch.endpoint,
        method=batch.method,
        status=batch.status,
        latency_ns=batch.latency_ns,
        ended_at_ms=end_ms + (batch.ended_at_ms - batch.ended_at_ms[-1]) // BATCH,
    )


async def _ask(board: Opsboard) -> None:
    while True:
        await asyncio.sleep(SNAPSHOT_EVERY_SECONDS)
        await board.metrics(last="24h")
