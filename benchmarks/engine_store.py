"""opsboard's stores, filled with traffic, and what that costs."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from dependency_injector import providers
from opsboard.application.board import Opsboard
from opsboard.domain.instant import NS_PER_MS, format_instant
from opsboard.domain.metrics import MetricsSnapshot
from opsboard.domain.retention import FOREVER, Retention
from opsboard.domain.sample import SampleBatch
from opsboard.entrypoints.container import container_for
from opsboard.entrypoints.settings import StoreUrl

from .report import progress
from .traffic import DAY_MS, END_MS, Traffic

PARTS = 10
STORE = "ops.db"

T = TypeVar("T")


class TrafficClock:
    """Stands where the traffic is, so that hours close as they do in a live server."""

    def __init__(self, at_ms: int = END_MS) -> None:
        """Stand at this moment."""
        self.at_ms = at_ms
        self._passed_ms = 0

    def now(self) -> int:
        """See `Clock.now`."""
        return self.at_ms * NS_PER_MS

    def monotonic(self) -> int:
        """See `Clock.monotonic`; it runs on."""
        return time.monotonic_ns() + self._passed_ms * NS_PER_MS

    def let_pass(self, ms: int) -> None:
        """Be so much later, by either clock."""
        self.at_ms += ms
        self._passed_ms += ms


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of the processors."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Filled:
    """A store with so many samples, and what each tenth of them cost."""

    path: Path
    samples: int
    parts: list[Cost]

    @property
    def rate(self) -> float:
        """Samples a second."""
        return self.samples / sum(part.wall for part in self.parts)


class Stopwatch:
    """Adds up what is spent between `go` and `stop`, which leave out what lies around them."""

    def __init__(self) -> None:
        """Nothing is spent yet."""
        self._wall = self._cpu = 0.0

    def go(self) -> None:
        """From here."""
        self._wall -= time.perf_counter()
        self._cpu -= time.process_time()

    def stop(self) -> None:
        """To here."""
        self._wall += time.perf_counter()
        self._cpu += time.process_time()

    def taken(self) -> Cost:
        """What was spent since the last time this was asked."""
        cost = Cost(self._wall, self._cpu)
        self._wall = self._cpu = 0.0
        return cost


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run it on the loop that the server has."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def open_board(path: Path, clock: TrafficClock | None = None) -> Opsboard:
    """`opsboard.open`, but at the time of the traffic."""
    container = container_for(StoreUrl("sqlite", path), Retention.parse(FOREVER))
    container.clock.override(providers.Object(clock or TrafficClock()))
    return container.board()


async def record(board: Opsboard, clock: TrafficClock, batch: SampleBatch) -> None:
    """Record a batch when its last request has ended."""
    clock.at_ms = int(batch.ended_at_ms[-1])
    await board.record_samples(batch)


async def last_day(board: Opsboard) -> MetricsSnapshot:
    """What `last="24h"` asks for at the end of the traffic."""
    since, until = ((END_MS - ago) * NS_PER_MS for ago in (DAY_MS, 0))
    return await board.metrics(since=format_instant(since), until=format_instant(until))


class Filling:
    """A store that is open, and takes its traffic part by part."""

    def __init__(self, board: Opsboard, clock: TrafficClock, traffic: Traffic) -> None:
        """Nothing of the traffic is recorded yet."""
        self._board = board
        self._clock = clock
        self._chunks = traffic.chunks()
        self._recorded = 0

    async def take(self, upto: float, *, save: bool = False) -> Cost:
        """Record and fold what comes up to so many samples in all, and save it; what that cost."""
        watch = Stopwatch()
        while self._recorded < upto:
            chunk = next(self._chunks)
            watch.go()
            await record(self._board, self._clock, chunk)
            self._recorded += len(chunk)
            if self._recorded >= upto:
                await self._board.rollups.catch_up()
                if save:
                    await self._board.rollups.save()
            watch.stop()
        return watch.taken()


@asynccontextmanager
async def filling(path: Path, traffic: Traffic) -> AsyncIterator[Filling]:
    """A new store, to be filled with this traffic."""
    await asyncio.to_thread(path.parent.mkdir)
    clock = TrafficClock(traffic.start_ms)
    async with open_board(path, clock) as board:
        yield Filling(board, clock, traffic)
        await board.rollups.save()
    truncate_log(path)


async def fill(folder: Path, traffic: Traffic) -> Filled:
    """A new store with this traffic: recorded, folded and saved as it comes."""
    path = folder / STORE
    async with filling(path, traffic) as store:
        parts = [await take_part(store, traffic, part) for part in range(1, PARTS + 1)]
    return Filled(path, traffic.samples, parts)


async def take_part(store: Filling, traffic: Traffic, part: int) -> Cost:
    """The next tenth of the traffic, which is this one."""
    upto = traffic.samples * part / PARTS
    cost = await store.take(upto)
    progress(f"{upto:,.0f} of {traffic.samples:,}: {cost.wall:.1f} s")
    return cost


def truncate_log(path: Path) -> None:
    """Carry all that was committed into the file itself."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
