"""A process whose read models another one rebuilds leaves that to it, and answers all the while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.adapters.sqlite import rollups as sqlite_rollups
from opsboard.application import project_events, project_samples, rebuilt_elsewhere
from opsboard.application import rebuild as rebuilding
from opsboard.application.board import Opsboard
from opsboard.application.project_events import EventProjection
from opsboard.application.query_events import event_filter
from opsboard.application.rebuild import rebuild
from opsboard.domain.entry import Recorded, Stream
from opsboard.domain.event import RecordedEvent
from opsboard.domain.exception_event import EventFields

from ..fakes import START_NS, CountingIds, sample
from ..patience import patiently
from .contracts.naive import Asked
from .test_shared_file import Shared, save, shared

__all__ = ["shared"]

ENTRIES = 300
LATE = 5
"""Folded, but not saved, when the rebuilding begins."""
LARGE, SAMPLES = 60, 1_000
"""So many large entries; samples in each."""


@pytest.fixture
async def old(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """Entries that both boards know, saved; a rebuilding takes a few steps for them."""
    monkeypatch.setattr(rebuilding, "ENTRIES_A_STEP", 1)
    one, other = shared.boards
    for number in range(ENTRIES):
        await shared.record(one, sample(f"/{number % 7}", ended_at=START_NS + number * 10**9))
    await save(one)
    await other.rollups.load()
    return shared


def between_looks(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Awaitable[object]]) -> None:
    """What happens elsewhere while a board waits, in place of time that passes."""

    async def sleep(_: float) -> None:
        await do()

    monkeypatch.setattr(rebuilt_elsewhere, "sleep", sleep)


def read_by(monkeypatch: pytest.MonkeyPatch, board: Opsboard) -> list[int]:
    """The numbers of the entries that a board reads from now on."""
    found: list[int] = []
    journal = board.store.journal
    really_read = journal.read

    async def read(
        stream: Stream, after: int = 0, until: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        async for page in really_read(stream, after, until):
            found.extend(recorded.number for recorded in page)
            yield page

    monkeypatch.setattr(journal, "read", read)
    return found


async def test_samples_that_another_rebuilds_are_folded_by_it_alone(
    old: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = old.boards
    for _ in range(LATE):
        await old.record(other, sample("/late"))
    await other.rollups.catch_up()
    steps = rebuild(one.store, old.clock)
    await anext(steps)
    between_looks(monkeypatch, lambda: anext(steps, None))
    read = read_by(monkeypatch, other)
    await other.rollups.save()  # which finds the rollups taken back
    await other.rollups.follow_up()
    assert [number for number in read if number <= ENTRIES] == []
    async for _ in steps:
        pass
    await old.check()
    await old.verify()


async def test_answers_are_exact_at_every_step_of_a_rebuilding(old: Shared) -> None:
    one, other = old.boards
    async for _ in rebuild(one.store, old.clock):
        await old.record(other, sample("/late"))
        await old.check(Asked(until=START_NS + 60 * 10**9))
        await old.check()
    await old.check()
    await old.verify()


async def test_what_is_left_by_a_rebuilder_that_was_killed_is_folded_here(
    old: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = old.boards
    steps = rebuild(one.store, old.clock)
    await anext(steps)
    await anext(steps)
    looks: list[int] = []

    async def nothing_happens() -> None:
        looks.append((await other.store.rollups.load()).checkpoint)
        assert len(looks) <= rebuilt_elsewhere.PATIENCE_LOOKS

    between_looks(monkeypatch, nothing_happens)
    await other.rollups.load()
    await other.rollups.follow_up()
    assert 0 < looks[0] < ENTRIES
    assert looks == looks[:1] * rebuilt_elsewhere.PATIENCE_LOOKS
    await other.rollups.save()
    assert (await other.store.rollups.load()).checkpoint == ENTRIES
    await old.check()
    await old.verify()


async def test_a_save_that_can_not_be_taken_merges_nothing(
    old: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = old.boards
    await old.record(other, sample("/late"))
    await other.rollups.catch_up()
    await anext(rebuild(one.store, old.clock))
    monkeypatch.setattr(project_samples, "merged_rollup", None)
    await other.rollups.save()
    assert other.rollups.saved_upto == 0


async def test_a_long_fold_gives_way_after_each_part(shared: Shared) -> None:
    """Whoever waits has a turn before more is folded than is a few ms' work."""
    one, other = shared.boards
    chance = np.random.default_rng(1)
    latencies = chance.integers(0, 10**9, (LARGE, SAMPLES)).tolist()
    for each in latencies:
        await one.record_samples([sample(ms=latency / 10**6) for latency in each])
    payloads = [
        len(recorded.encoded.payload)
        async for page in one.store.journal.read(Stream.SAMPLES)
        for recorded in page
    ]
    seen = [0]

    async def watch() -> None:
        while True:
            seen.append(other.rollups.checkpoint)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await other.rollups.catch_up()
    watching.cancel()
    seen.append(other.rollups.checkpoint)
    assert seen[-1] == LARGE
    parts = [(a, b) for a, b in pairwise(seen) if b > a]
    assert max(sum(payloads[a:b]) for a, b in parts) <= project_samples.FOLD_AT_ONCE_BYTES
    assert (await other.metrics()).requests_total == LARGE * SAMPLES


def drafts(count: int) -> list[EventFields]:
    return [
        EventFields(level="INFO", type="OPS", service="api", message=f"event {n}", meta={})
        for n in range(count)
    ]


async def test_who_indexes_events_beside_another_goes_on_where_that_one_stands(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = shared.boards
    await one.recorder.record_all(drafts(2_000), None)
    index = one.store.event_index
    really_add = index.add

    async def overtaken(events: Sequence[RecordedEvent], checkpoint: int, expected: int) -> bool:
        monkeypatch.undo()
        await EventProjection(other.store.journal, other.store.event_index).catch_up()
        return await really_add(events, checkpoint, expected)

    monkeypatch.setattr(index, "add", overtaken)
    await one.projections["event_index"].catch_up()
    assert await index.checkpoint() == 2_000
    await shared.verify()


async def test_events_that_another_indexes_anew_are_left_to_it(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = shared.boards
    await one.recorder.record_all(drafts(1_000), None)
    await one.projections["event_index"].catch_up()
    monkeypatch.setattr(project_events, "CALM_SECONDS", 0.0)
    following = other.projections["event_index"]
    running = asyncio.create_task(following.run())
    await other.record_event("before")
    async with patiently():
        while await following.lag():
            await asyncio.sleep(0)
    await one.store.event_index.clear()
    added: list[int] = []
    really_add = other.store.event_index.add
    waits: list[bool] = []

    async def add(events: Sequence[RecordedEvent], checkpoint: int, expected: int) -> bool:
        added.extend(event.id for event in events)
        return await really_add(events, checkpoint, expected)

    async def indexed_by_the_other() -> None:
        waits.append(True)
        await one.projections["event_index"].catch_up()

    monkeypatch.setattr(other.store.event_index, "add", add)
    between_looks(monkeypatch, indexed_by_the_other)
    await other.record_event("after")
    async with patiently():
        while await following.lag():
            await asyncio.sleep(0)
    running.cancel()
    assert waits
    assert set(added) <= {1_002}
    await shared.verify()


async def test_a_board_that_ends_indexes_no_backlog(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is durable, found all the same, and indexed by whoever opens the store next."""
    monkeypatch.setattr(project_events, "CALM_SECONDS", 3_600.0)
    one, _ = shared.boards
    store = SqliteStore(shared.path, shared.clock)
    async with Opsboard(store, shared.clock, CountingIds()) as ending:
        await ending.recorder.record_all(drafts(2_000), None)
    assert await one.projections["event_index"].lag() == 2_000
    found = await one.event_queries.search(event_filter(q="1999"))
    assert [each.event.message for each in found.events] == ["event 1999"]
    assert (await one.event_queries.summarise()).by_level == {"INFO": 2_000}
    await one.projections["event_index"].catch_up()
    await shared.verify()


async def test_indexes_that_match_their_tables_are_not_made_anew(
    old: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To do so holds the file for as long as there are events and entries to sort."""
    monkeypatch.setattr(sqlite_rollups, "reindex", None)
    await old.boards[0].store.rollups.clear()
    assert (await old.boards[0].store.rollups.load()).checkpoint == 0
