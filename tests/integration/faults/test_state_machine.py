"""Whatever happens to a store, in whatever order: memory and SQLite answer the same, and right.

Each rule does one thing to both stores, through the use cases of one of the processes that have
them open. Background work is done step by step, so what is folded and saved lags as it may.
"""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.query_events import event_filter
from opsboard.application.rebuild import rebuild
from opsboard.application.record_histograms import SentHistogram
from opsboard.application.transfer import export, restore
from opsboard.domain.entry import IdempotencyKey, Stream
from opsboard.domain.exception_event import exception_event
from opsboard.domain.measured import MeasuredHistogram
from opsboard.domain.retention import Retention
from opsboard.domain.sample import RequestSample, SeriesKey

from ...fakes import ManualClock, observe
from . import whatever as some
from .whatever import DAY_NS, MINUTE_NS, Moments
from .worlds import File, Memory, Process, Step, World, ends, faults

T = TypeVar("T")

KEPT = Retention(raw=2 * DAY_NS, minutes=4 * DAY_NS, hours=8 * DAY_NS, events=3 * DAY_NS)
MAX_SERIES = 12
BOUNDS = (0.005, 0.05, 0.5)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Each step of a failure is printed; to look for a shorter one would take longer than to read."""
PROJECTIONS = ["rollups", "event_index", "error_groups"]

Requests = Sequence[tuple[SeriesKey, int, int]]


class Stores(RuleBasedStateMachine):
    """Two stores, up to two processes over each, and what they must have by now."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory(prefix="opsboard-state-")
        self.clock = ManualClock()
        self.worlds: list[World] = [
            Memory(self.clock),
            File(self.clock, Path(self.folder.name)),
        ]
        self.processes: list[list[Process]] = [[] for _ in self.worlds]
        self.started = itertools.count()
        self.counters: dict[int, tuple[int, int]] = {}
        """Of each client: when it started, and how many requests it has counted since."""
        self.exports = itertools.count()
        self.unflushed: list[int] = []
        """Of each process, how many requests it observed that no entry has yet."""
        self.requests = 0
        self.start()

    def do(self, work: Awaitable[T]) -> T:
        async def done() -> T:
            return await work

        return self.runner.run(done())

    def both(self, at: int, step: Step) -> Any:
        """What the process in this place comes to, over either store."""
        outcomes = [self.do(processes[self.place(at)].take(step)) for processes in self.processes]
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    def place(self, at: int) -> int:
        return at % len(self.processes[0])

    def start(self) -> None:
        """One more process over each store."""
        number = next(self.started)
        for world, processes in zip(self.worlds, self.processes, strict=True):
            process = Process.start(world, number, self.clock, KEPT, MAX_SERIES)
            processes.append(self.do(process))
        self.unflushed.append(0)

    # What is recorded.

    @rule(
        at=st.integers(0, 1),
        message=some.messages,
        level=some.levels,
        type=some.types,
        service=some.services,
        meta=some.metas,
        key=some.keys,
    )
    def say(self, at: int, key: str | None, **said: Any) -> None:
        self.both(at, lambda board: board.record_event(said["message"], **without(said), key=key))

    @rule(at=st.integers(0, 1), said=some.exceptions, service=some.services)
    def fail(self, at: int, said: dict[str, str], service: str) -> None:
        event = exception_event(
            said["exception.type"],
            said["exception.message"],
            service=service,
            route=said["http.route"],
        )
        self.both(at, lambda board: board.recorder.record(**event))

    @rule(at=st.integers(0, 1), batch=some.batches, key=some.keys)
    def record(self, at: int, batch: Requests, key: str | None) -> None:
        samples = self.samples(batch)
        named = None if key is None else IdempotencyKey(key, repr(batch).encode())
        before = self.head(Stream.SAMPLES)
        said, _ = self.both(at, lambda board: board.record_samples(samples, named))
        if said == "answered" and self.head(Stream.SAMPLES) > before:
            self.requests += len(samples)

    @rule(at=st.integers(0, 1), batch=some.refused_batches)
    def record_impossible(self, at: int, batch: Requests) -> None:
        samples = self.samples(batch)
        said, _ = self.both(at, lambda board: board.record_samples(samples))
        assert said == "refused"

    @rule(at=st.integers(0, 1), batch=some.batches)
    def observe(self, at: int, batch: Requests) -> None:
        samples = self.samples(batch)

        async def served(board: Opsboard) -> None:
            observe(board, *samples)

        self.both(at, served)
        self.unflushed[self.place(at)] += len(samples)

    @rule(
        at=st.integers(0, 1),
        client=st.integers(0, 1),
        series=some.series,
        more=st.sampled_from([0, 1, 1, 9]),
        restarts=st.booleans(),
        late=st.sampled_from([0, 0, MINUTE_NS, 11 * MINUTE_NS]),
    )
    def export_counter(
        self, at: int, *, client: int, series: SeriesKey, more: int, restarts: bool, late: int
    ) -> None:
        """A client sends what it counted since it started, as an SDK does each minute."""
        started, counted = self.counters.get(client, (self.clock.now() - MINUTE_NS, 0))
        if restarts:
            started, counted = self.clock.now() - MINUTE_NS, 0
        self.counters[client] = (started, counted + more)
        name = f"{client:04}{started:024x}".encode()[:16].ljust(16)
        key = SeriesKey("measured", series.route, "GET", 200)
        sent = SentHistogram(key, started, self.clock.now() - late, counts(counted + more), name)
        self.send(at, [sent])

    @rule(at=st.integers(0, 1), series=some.series, count=st.integers(1, 5), late=some.offsets)
    def export_difference(self, at: int, series: SeriesKey, count: int, late: int) -> None:
        ended = self.clock.now() - late
        self.send(at, [SentHistogram(series, ended - MINUTE_NS, ended, counts(count))])

    def send(self, at: int, sent: Sequence[SentHistogram]) -> None:
        self.flush(at)
        name = f"export {next(self.exports)}"
        key = IdempotencyKey(name, name.encode())
        before = self.total(at)
        self.both(at, lambda board: refusals(board, sent, key))
        self.requests += self.total(at) - before

    @rule(at=st.integers(0, 1), which=st.integers(0, 5), resolved=st.booleans())
    def triage(self, at: int, which: int, resolved: bool) -> None:
        _, page = self.both(at, lambda board: board.error_groups.search())
        names = [group.fingerprint for group in page.groups] or ["none"]

        async def change(board: Opsboard) -> Any:
            triage = board.error_groups
            said = triage.resolve if resolved else triage.reopen
            return await said(names[which % len(names)], by="ann", note="seen")

        self.both(at, change)

    # What time, the machine and upkeep do.

    @rule(step=some.steps)
    def wait(self, step: int) -> None:
        self.clock.advance(step)

    @rule(jump=some.jumps)
    def set_clock(self, jump: int) -> None:
        self.clock.time += jump

    @rule(at=st.integers(0, 1), name=st.sampled_from(PROJECTIONS), saves=st.booleans())
    def project(self, at: int, name: str, saves: bool) -> None:
        async def work(board: Opsboard) -> None:
            await board.projections[name].catch_up()
            if saves:
                await board.projections[name].save()

        self.both(at, work)

    @rule(at=st.integers(0, 1))
    def retain(self, at: int) -> None:
        self.both(at, lambda board: board.retainer.remove_due())

    @rule(at=st.integers(0, 1))
    def compact(self, at: int) -> None:
        for processes in self.processes:
            self.do(exhausted(processes[self.place(at)].board.store.compact()))

    @rule(at=st.integers(0, 1), cut_off_after=st.none() | st.integers(0, 2))
    def rebuild(self, at: int, cut_off_after: int | None) -> None:
        """As the command does, beside the processes that have the store open."""

        async def work(board: Opsboard) -> None:
            await exhausted(rebuild(board.store, self.clock), cut_off_after)

        self.both(at, work)

    @precondition(lambda self: len(self.unflushed) == 1)
    @rule()
    def start_another(self) -> None:
        self.start()

    @rule(at=st.integers(0, 1))
    def restart(self, at: int) -> None:
        place = self.place(at)
        self.requests += self.unflushed.pop(place)
        for processes in self.processes:
            self.do(processes.pop(place).end())
        if not self.unflushed:
            self.start()

    @rule(at=st.integers(0, 1))
    def kill(self, at: int) -> None:
        """What it observed within the last second goes with it; nothing that was acknowledged."""
        place = self.place(at)
        self.unflushed.pop(place)
        for processes in self.processes:
            self.do(processes.pop(place).die())
        if not self.unflushed:
            self.start()

    @rule()
    def lose_power(self) -> None:
        for world in self.worlds:
            world.lose_power()
        for processes in self.processes:
            while processes:
                self.do(processes.pop().die())
        self.unflushed.clear()
        self.start()

    # What is asked.

    @rule(at=st.integers(0, 1), asked=some.moments, selection=some.selections)
    def ask_metrics(self, at: int, asked: Moments, selection: dict[str, str]) -> None:
        words = asked.words(self.clock) | selection
        self.ask(at, lambda board: board.metrics(**words))

    @rule(
        at=st.integers(0, 1),
        asked=some.moments,
        selection=some.selections,
        step=st.none() | st.sampled_from(["10s", "1m", "5m", "1h", "1d"]),
        by=st.none() | st.sampled_from(["service", "route,method", "status_code"]),
    )
    def ask_charts(
        self,
        at: int,
        asked: Moments,
        selection: dict[str, str],
        step: str | None,
        by: str | None,
    ) -> None:
        words = asked.words(self.clock) | selection

        async def series(board: Opsboard) -> Any:
            question = board.metrics_queries.question(**words)
            return await board.series_queries.series(question, step, by)

        async def heatmap(board: Opsboard) -> Any:
            question = board.metrics_queries.question(**words)
            return await board.series_queries.heatmap(question, step)

        self.ask(at, series)
        self.ask(at, heatmap)

    @rule(at=st.integers(0, 1), asked=some.moments, limit=st.sampled_from([1, 3, 100]))
    def ask_slowest(self, at: int, asked: Moments, limit: int) -> None:
        words = asked.words(self.clock) | {"as_of": None}
        self.ask(
            at,
            lambda board: board.slowest_queries.slowest(
                board.metrics_queries.question(**words), None, limit
            ),
        )

    @rule(at=st.integers(0, 1), asked=some.moments, window=st.sampled_from(["1m", "1h", "24h"]))
    def ask_views(self, at: int, asked: Moments, window: str) -> None:
        words = asked.words(self.clock)
        self.ask(at, lambda board: board.catalogue.services())
        self.ask(at, lambda board: board.catalogue.routes())
        self.ask(at, lambda board: board.deploys.deploys(window=window))
        self.ask(
            at,
            lambda board: board.overview_queries.overview(board.metrics_queries.question(**words)),
        )

    @rule(
        at=st.integers(0, 1),
        wanted=some.event_filters,
        asked=some.moments,
        limit=st.sampled_from([1, 3, 500]),
    )
    def ask_events(self, at: int, wanted: dict[str, Any], asked: Moments, limit: int) -> None:
        """Every page, and the summary of the same."""
        words = asked.words(self.clock)
        window = {name: words[name] for name in ("since", "until")}

        async def pages(board: Opsboard) -> Any:
            return await all_pages(board, event_filter(**wanted, **window), limit)

        async def summary(board: Opsboard) -> Any:
            return await board.event_queries.summarise(event_filter(**wanted, **window))

        said, found = self.ask(at, pages)
        _, counts = self.ask(at, summary)
        if said == "answered":
            assert sum(counts.by_level.values()) == len(found)

    @rule(at=st.integers(0, 1), id=st.integers(0, 40))
    def ask_event(self, at: int, id: int) -> None:
        self.ask(at, lambda board: board.event_queries.get(id))

    @rule(at=st.integers(0, 1), wanted=some.error_filters, limit=st.sampled_from([1, 2, 50]))
    def ask_errors(self, at: int, wanted: dict[str, Any], limit: int) -> None:
        async def found(board: Opsboard) -> Any:
            triage = board.error_groups
            page = await triage.search(triage.filter(**wanted), limit)
            rest = await triage.search(triage.filter(**wanted), limit, page.before)
            return page, rest, [await triage.sample(group) for group in page.groups]

        self.ask(at, found)

    def ask(self, at: int, question: Step) -> Any:
        """The same of every process: none knows less than another."""
        self.flush_all()
        answers = [self.both(place, question) for place in range(len(self.unflushed))]
        assert answers == answers[:1] * len(answers)
        return answers[self.place(at)]

    def flush(self, at: int) -> None:
        self.both(at, lambda board: board.samples.flush())
        self.requests += self.unflushed[self.place(at)]
        self.unflushed[self.place(at)] = 0

    def flush_all(self) -> None:
        for place in range(len(self.unflushed)):
            self.flush(place)

    # What always holds.

    @invariant()
    def journals_are_alike(self) -> None:
        first, second = (self.do(ends(self.store(world))) for world in (0, 1))
        assert first == second

    @rule()
    def nothing_is_lost_or_doubled(self) -> None:
        _, answer = self.ask(0, lambda board: board.metrics())
        assert answer.requests_total == self.requests

    @rule()
    def verify(self) -> None:
        for world in (0, 1):
            assert self.do(faults(self.store(world))) == []

    @rule()
    def back_up(self) -> None:
        """The copy is whole, and answers as what it was copied from."""
        self.flush_all()
        path = Path(self.folder.name) / "backup.db"
        self.do(self.store(1).backup(path))
        copied = File(self.clock, path.parent)
        copied.path = path
        self.agrees(copied)
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()

    @rule()
    def export(self) -> None:
        """The journal of the file makes one in memory, byte for byte the same."""
        lines = [self.do(gathered(export(self.store(world).journal))) for world in (0, 1)]
        restored = Memory(self.clock).store().journal
        self.do(exhausted(restore(restored, lines[1])))
        assert lines[0] == lines[1] == self.do(gathered(export(restored)))

    def agrees(self, world: World) -> None:
        """Whether another store answers and verifies as ours do."""

        async def looked_at() -> Any:
            process = await Process.start(world, next(self.started), self.clock, KEPT, MAX_SERIES)
            found = await process.take(lambda board: board.metrics())
            assert await faults(process.board.store) == []
            await process.die()
            return found

        assert self.do(looked_at()) == self.ask(0, lambda board: board.metrics())

    def teardown(self) -> None:
        try:
            self.nothing_is_lost_or_doubled()
            self.verify()
        finally:
            for processes in self.processes:
                for process in processes:
                    self.do(process.die())
            self.runner.close()
            self.folder.cleanup()

    def samples(self, batch: Requests) -> list[RequestSample]:
        now = self.clock.now()
        return [RequestSample(key, latency, now - ago) for key, latency, ago in batch]

    def store(self, world: int) -> Store:
        return self.processes[world][0].board.store

    def head(self, stream: Stream) -> int:
        return self.do(self.store(0).journal.head(stream)).number

    def total(self, at: int) -> int:
        _, answer = self.both(at, lambda board: board.metrics())
        return int(answer.requests_total)


def without(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != "message"}


def counts(count: int) -> MeasuredHistogram:
    """So many requests of 20 ms, by a counter with few buckets."""
    return MeasuredHistogram(count, count * 20_000_000, {1: count} if count else {}, bounds=BOUNDS)


async def refusals(
    board: Opsboard, sent: Sequence[SentHistogram], key: IdempotencyKey
) -> dict[str, int]:
    return dict(await board.histograms.record(sent, key, Counter()))


async def all_pages(board: Opsboard, wanted: Any, limit: int) -> list[Any]:
    found: list[Any] = []
    before = None
    while True:
        page = await board.event_queries.search(wanted, limit, before)
        found += page.events
        before = page.before
        if before is None:
            return found


async def exhausted(steps: Any, at_most: int | None = None) -> None:
    """Take the steps; after so many, leave the rest."""
    taken = 0
    async for _ in steps:
        taken += 1
        if at_most is not None and taken > at_most:
            await steps.aclose()
            return


async def gathered(lines: Any) -> list[bytes]:
    return [line async for line in lines]


def test_memory_and_sqlite_answer_alike_whatever_happens() -> None:
    run_state_machine_as_test(
        Stores,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            phases=PHASES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.chaos
def test_memory_and_sqlite_answer_alike_after_thousands_of_operations() -> None:
    run_state_machine_as_test(
        Stores,
        settings=settings(
            max_examples=int(os.environ.get("CHAOS_EXAMPLES", "400")),
            stateful_step_count=100,
            derandomize=False,
            deadline=None,
            print_blob=True,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
