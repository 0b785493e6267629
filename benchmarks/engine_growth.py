"""What appends, questions, starts and memory cost as a store grows.

First and last appends lie a minute apart, in which the machine may become twice as fast. So while
the largest store takes its last tenth, another one takes the first tenth anew, by turns; and CPU
time compares them, since what else the machine does changes the time on the clock.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from opsboard.domain.instant import NS_PER_MS, format_instant

from .engine_store import (
    PARTS,
    STORE,
    Cost,
    Filled,
    Filling,
    fill,
    filling,
    last_day,
    open_board,
    run_async,
    take_part,
)
from .processes import Server, opsboard_server
from .report import Bar, interleaved, print_table, progress
from .traffic import DAY_MS, END_MS, Traffic

DECADES = (100_000, 1_000_000, 10_000_000, 100_000_000)
MANY_ROUTES = 2_084
QUESTIONS = 7
TURNS = 10

MAX_BYTES = 6.5
MAX_GROWTH = 1.2
MAX_OPEN_SECONDS = 1.0
MAX_RESIDENT_MIB = 250.0

_SINCE, _UNTIL = (format_instant((END_MS - ago) * NS_PER_MS) for ago in (DAY_MS, 0))
_METRICS = f"/metrics?since={_SINCE}&until={_UNTIL}"


@dataclass(frozen=True)
class Stores:
    """A store of each size; what the last tenth of the largest cost, against the first anew."""

    filled: Mapping[int, Filled]
    growth: float

    @property
    def largest(self) -> Filled:
        """The one with the most samples."""
        return self.filled[max(self.filled)]


def fill_all(quick: bool, folder: Path) -> Stores:
    """Fill a store of each size."""
    *smaller, largest = DECADES[:-1] if quick else DECADES
    filled = {}
    for samples in smaller:
        progress(f"growth: a store of {samples:,} samples")
        filled[samples] = run_async(fill(folder / str(samples), Traffic(samples)))
    progress(f"growth: a store of {largest:,} samples")
    filled[largest], growth = run_async(_fill_largest(folder, Traffic(largest)))
    return Stores(filled, growth)


async def _fill_largest(folder: Path, traffic: Traffic) -> tuple[Filled, float]:
    path = folder / str(traffic.samples) / STORE
    async with (
        filling(path, traffic) as store,
        filling(folder / "anew" / STORE, traffic) as anew,
    ):
        parts = [await take_part(store, traffic, part) for part in range(1, PARTS)]
        lasts, firsts = await _by_turns(store, anew, traffic.samples)
    parts.append(Cost(sum(cost.wall for cost in lasts), sum(cost.cpu for cost in lasts)))
    progress(f"the last of {PARTS} parts: {parts[-1].wall:.1f} s")
    growth = median(last.cpu / first.cpu for last, first in zip(lasts, firsts, strict=True))
    return Filled(path, traffic.samples, parts), growth


async def _by_turns(store: Filling, anew: Filling, samples: int) -> tuple[list[Cost], list[Cost]]:
    """What it cost in each turn that one took some of the last tenth, the other of the first."""
    costs: dict[Filling, list[Cost]] = {store: [], anew: []}
    part = samples / PARTS
    for number, filled in interleaved([store, anew], TURNS):
        before = samples - part if filled is store else 0
        # Saved too, so that none of it is done in the other's turn.
        costs[filled].append(await filled.take(before + part * (number + 1) / TURNS, save=True))
    return costs[store], costs[anew]


def run(quick: bool, folder: Path, stores: Stores) -> Sequence[Bar]:
    """Measure over these stores, print the tables, give the bars."""
    progress("growth: a store of 20,000 series")
    many = Traffic(1_000_000 if quick else 100_000_000, routes=MANY_ROUTES)
    wide = run_async(fill(folder / "wide", many))
    named = {f"{samples:,}": store for samples, store in stores.filled.items()}
    named[f"{wide.samples:,}, 20,000 series"] = wide
    largest = stores.largest
    print_table(
        "A store as it grows: ns a sample in the first and last tenth of the appends, and weight",
        ["samples", "samples/s", "first", "last", "first, CPU", "last, CPU", "bytes a sample"],
        [
            [
                name,
                f"{store.rate:,.0f}",
                *(f"{_ns(store, part).wall:.0f}" for part in (0, -1)),
                *(f"{_ns(store, part).cpu:.0f}" for part in (0, -1)),
                f"{_bytes(store):.2f}",
            ]
            for name, store in named.items()
        ],
    )
    opened = {name: run_async(_opened(store)) for name, store in named.items()}
    resident = {name: _resident(store) for name, store in named.items()}
    print_table(
        f"Over the same stores: opening, a question of 24 h (medians of {QUESTIONS}), a server",
        [
            "samples",
            "opened in ms",
            "24 h in ms",
            "server ready in s",
            "MiB",
            "after questions",
            "at most",
        ],
        [
            [
                name,
                f"{opened[name][0] * 1_000:.0f}",
                f"{opened[name][1] * 1_000:.0f}",
                *(f"{figure:.4g}" for figure in resident[name]),
            ]
            for name in named
        ],
    )
    at, wide_at = f"{largest.samples:,}", [*named][-1]
    weight = [Bar(f"bytes a sample, {at} samples", _bytes(largest), MAX_BYTES)]
    return [
        *([] if quick else weight),
        Bar(
            f"CPU of an append, last tenth of {at} / first tenth, by turns",
            stores.growth,
            MAX_GROWTH,
        ),
        Bar(f"{at} samples opened after", opened[at][0], MAX_OPEN_SECONDS, unit=" s"),
        Bar(f"server over {at} samples", resident[at][-1], MAX_RESIDENT_MIB, unit=" MiB"),
        Bar("server over 20,000 series", resident[wide_at][-1], MAX_RESIDENT_MIB, unit=" MiB"),
    ]


def _ns(store: Filled, part: int) -> Cost:
    """What a sample of this tenth cost, in ns."""
    cost, samples = store.parts[part], store.samples / len(store.parts)
    return Cost(cost.wall * 1e9 / samples, cost.cpu * 1e9 / samples)


def _bytes(store: Filled) -> float:
    return store.path.stat().st_size / store.samples


async def _opened(store: Filled) -> tuple[float, float]:
    """Seconds to open it, and for a question."""
    started = time.perf_counter()
    async with open_board(store.path) as board:
        opened = time.perf_counter() - started
        seconds = []
        for _ in range(QUESTIONS):
            started = time.perf_counter()
            await last_day(board)
            seconds.append(time.perf_counter() - started)
    return opened, median(seconds)


def _resident(store: Filled) -> tuple[float, float, float, float]:
    """Seconds until a server is ready; its memory in MiB then, after the questions, and at most."""
    progress(f"growth: a server over {store.path}")
    with opsboard_server(store.path.parent) as server:
        server.get("/readyz")
        ready = time.perf_counter() - server.started_at
        return ready, server.resident_mib(), _asked(server), server.resident_mib(at_most=True)


def _asked(server: Server) -> float:
    for _ in range(QUESTIONS):
        server.get(_METRICS)
    return server.resident_mib()
