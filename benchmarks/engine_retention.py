"""How long an event waits to be durable while retention removes most of a store."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsboard.application.board import Opsboard
from opsboard.application.steady_clock import STEADY_NS
from opsboard.domain.instant import NS_PER_MS
from opsboard.domain.retention import Retention

from .engine_latency import EVENT_EVERY_SECONDS
from .engine_store import Filled, TrafficClock, open_board, run_async
from .load import Load
from .report import Bar, print_table, progress
from .traffic import DAY_MS, END_MS

CALM_SECONDS = 5.0
DAYS_LATER = 60
KEPT = "raw=1d, minutes=2d, hours=400d"
MAX_P99_MS = 5.0


def run(store: Filled, folder: Path) -> Sequence[Bar]:
    """Measure over a copy of this store, print the table, give the bar."""
    progress(f"retention: of {store.samples:,} samples")
    path = folder / "retention.db"
    shutil.copyfile(store.path, path)
    calm, beside, removed = run_async(_measure(path))
    print_table(
        f"An event until it is durable while retention removes {removed:,} entries and rollups",
        ["", "seconds", "events", "p50 ms", "p99 ms", "p99.9 ms", "most"],
        [_row("nothing beside it", calm), _row("retention", beside)],
    )
    return [Bar("an event's p99 beside retention", beside.percentile(99), MAX_P99_MS, unit=" ms")]


def _row(name: str, load: Load) -> Sequence[str]:
    figures = [load.percentile(percent) for percent in (50, 99, 99.9, 100)]
    events = len(load.latencies)
    return [name, f"{load.seconds:.1f}", str(events), *(f"{ms:.2f}" for ms in figures)]


async def _measure(path: Path) -> tuple[Load, Load, int]:
    clock = TrafficClock(END_MS + DAYS_LATER * DAY_MS)
    async with open_board(path, clock) as board:
        clock.let_pass(STEADY_NS // NS_PER_MS)
        calm = await _say_until(board, asyncio.create_task(asyncio.sleep(CALM_SECONDS)))
        board.retainer.retention = Retention.parse(KEPT)
        removing = asyncio.create_task(board.retainer.remove_due())
        beside = await _say_until(board, removing)
        return calm, beside, await removing


async def _say_until(board: Opsboard, work: asyncio.Task[Any]) -> Load:
    """One event after another, each when it is due, until the work is done."""
    latencies = []
    started = due = time.perf_counter()
    while not work.done():
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        said_at = time.perf_counter()
        await board.record_event("release 2024.11.3 is live in eu-west-1", type="DEPLOY")
        latencies.append(time.perf_counter() - said_at)
        due += EVENT_EVERY_SECONDS
    return Load(time.perf_counter() - started, sorted(latencies))
