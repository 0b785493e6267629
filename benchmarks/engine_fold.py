"""How fast a journal folds: the samples of whole segments to rollups of minutes."""

import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.readable import readable
from opsboard.application.rebuild import rebuild
from opsboard.domain.entry import Recorded, Stream
from opsboard.domain.pending import PendingMinutes
from opsboard.domain.sample import SampleBatch
from opsboard.domain.series import SeriesTable

from .engine_store import Filled, TrafficClock, run_async
from .report import Bar, interleaved, print_table, progress

FOLD = "fold alone, of decoded segments"
READ_AND_FOLD = "read, decode and fold"
REBUILD = "`opsboard rebuild`: the same, and save the read models"

SEGMENTS_AT_ONCE = 64
AT_MOST = 10_000_000
"""About: whole pages of segments are folded."""
MIN_RATE = 20e6

Contender: TypeAlias = Callable[[Path], Coroutine[Any, Any, float]]


def run(quick: bool, busiest: Filled, rebuilt: Filled) -> Sequence[Bar]:
    """Fold the first samples of one store, rebuild another; print the table, give the bars."""
    rounds = 3 if quick else 7
    rates = _measure_all(busiest.path, rebuilt, rounds)
    print_table(
        f"Folding {AT_MOST:,} of a day's {busiest.samples:,} samples by the minute, and rebuilding "
        f"a store of {rebuilt.samples:,}: {rounds} rounds, medians",
        ["", "samples/s", "best round"],
        [[name, f"{median(seen):,.0f}", f"{max(seen):,.0f}"] for name, seen in rates.items()],
    )
    return [
        Bar(
            "samples/s, segments folded",
            median(rates[FOLD]),
            MIN_RATE,
            at_least=True,
        )
    ]


def _measure_all(busiest: Path, rebuilt: Filled, rounds: int) -> Mapping[str, Sequence[float]]:
    contenders: Mapping[str, tuple[Contender, Path, int]] = {
        FOLD: (_fold, busiest, AT_MOST),
        READ_AND_FOLD: (_read_and_fold, busiest, AT_MOST),
        REBUILD: (_rebuild, rebuilt.path, rebuilt.samples),
    }
    run_async(_fold(busiest))
    seen: dict[str, list[float]] = {name: [] for name in contenders}
    for number, name in interleaved(list(contenders), rounds):
        progress(f"fold, round {number + 1} of {rounds}: {name}")
        contender, path, samples = contenders[name]
        seen[name].append(samples / run_async(contender(path)))
    return seen


async def _fold(path: Path) -> float:
    fold = PendingMinutes(SeriesTable())
    seconds = 0.0
    async for _, batches in _read(path):
        started = time.perf_counter()
        fold.evolve(batches)
        seconds += time.perf_counter() - started
    return seconds


async def _read_and_fold(path: Path) -> float:
    fold = PendingMinutes(SeriesTable())
    started = time.perf_counter()
    async for _, batches in _read(path):
        fold.evolve(batches)
    return time.perf_counter() - started


async def _read(path: Path) -> AsyncIterator[tuple[int, list[tuple[int, SampleBatch]]]]:
    """Segments as a question reads them: so many at once, each with its number."""
    store = SqliteStore(path, TrafficClock())
    async with store.opened():
        pages: list[Recorded] = []
        left = AT_MOST
        async for page in store.journal.read(Stream.SAMPLES):
            pages += page
            if len(pages) >= SEGMENTS_AT_ONCE:
                batches = list(readable(store.journal, pages, SampleBatch))
                left -= sum(len(batch) for _, batch in batches)
                yield pages[-1].number, batches
                pages = []
            if left <= 0:
                return
        if pages:
            yield pages[-1].number, list(readable(store.journal, pages, SampleBatch))


async def _rebuild(path: Path) -> float:
    with TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / path.name
        shutil.copy(path, copy)
        clock = TrafficClock()
        store = SqliteStore(copy, clock)
        async with store.opened():
            started = time.perf_counter()
            async for _ in rebuild(store, clock):
                pass
            return time.perf_counter() - started
