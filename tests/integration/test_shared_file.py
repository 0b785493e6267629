"""Two processes with one SQLite file between them: both roll up, both answer, both agree."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.ports import RollupChange
from opsboard.application.rebuild import rebuild
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.retention import DAY_NS, Retention
from opsboard.domain.sample import RequestSample
from opsboard.domain.tier import Tier

from ..fakes import SECOND_NS, START_NS, CountingIds, ManualClock, sample
from ..tries import tries
from .contracts.naive import Asked, Log, check
from .contracts.test_metrics_engine import HOUR_NS, MIDNIGHT_NS, MINUTE_NS, Dice

AHEAD_NS = START_NS + 3 * HOUR_NS
KEEP = Retention(raw=2 * DAY_NS, minutes=4 * DAY_NS, hours=6 * DAY_NS, events=None)


class Shared:
    """Boards over one file, as in processes of their own, without their background work."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.clock = clock
        self.log = Log()
        self.boards: list[Opsboard] = []
        self.path = path

    async def open(self, stack: AsyncExitStack) -> None:
        ids = CountingIds()
        ids.given = len(self.boards) * 1_000_000
        store = await stack.enter_async_context(SqliteStore(self.path, self.clock).opened())
        board = Opsboard(store, self.clock, ids, retention=KEEP)
        await board.rollups.start()
        self.boards.append(board)

    async def record(self, board: Opsboard, *samples: RequestSample) -> None:
        self.log.record(self.clock.now(), samples)
        await board.record_samples(samples)

    async def check(self, asked: Asked = Asked()) -> None:  # noqa: B008 - it is a tuple
        for board in self.boards:
            answer = await board.metrics(**asked.words())
            check(answer, self.log.found(asked, self.clock.now()))

    async def verify(self) -> None:
        for board in self.boards:
            assert [difference async for difference in verify(board.store)] == []


async def save(board: Opsboard) -> None:
    await board.rollups.catch_up()
    await board.rollups.save()


@pytest.fixture
async def shared(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Shared]:
    made = Shared(tmp_path / "ops.db", clock)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await made.open(stack)
        yield made


@pytest.mark.parametrize("seed", range(tries(3)))
async def test_whatever_either_does_both_answer_as_a_replay_does(shared: Shared, seed: int) -> None:
    dice, clock = Dice(seed), shared.clock
    for _ in range(100):
        board = dice.of.choice(shared.boards)
        (doing,) = dice.of.choices(["record", "advance", "save", "ask"], [40, 20, 25, 15])
        if doing == "record":
            await shared.record(board, *dice.samples(clock.now()))
        elif doing == "advance":
            clock.advance(dice.of.choice([1, SECOND_NS, 7 * MINUTE_NS, HOUR_NS, -MINUTE_NS]))
        elif doing == "save":
            await save(board)
        else:
            await shared.check(dice.asked(clock.now(), shared.log))
    for board in shared.boards:
        await save(board)
        await shared.check()
    for _ in range(20):
        await shared.check(dice.asked(clock.now(), shared.log))
    await shared.verify()


async def test_the_one_that_saves_second_takes_up_what_the_first_saved(shared: Shared) -> None:
    one, other = shared.boards
    await shared.record(one, sample(ms=1), sample("/b"))
    await shared.record(other, sample(ms=2), sample("/c"))
    for board in (one, other):
        await board.rollups.catch_up()
    for board in (one, other):
        await board.rollups.save()
    assert one.rollups.saved_upto == other.rollups.saved_upto == 2
    assert (await other.store.rollups.load()).checkpoint == 2
    await shared.check()
    await shared.verify()


async def test_series_have_one_number_whoever_saw_them_first(shared: Shared) -> None:
    dice = random.Random(4)
    for number in range(30):
        board = dice.choice(shared.boards)
        await shared.record(board, *(sample(f"/{dice.randrange(number + 1)}") for _ in range(5)))
        if dice.random() < 0.3:
            await save(dice.choice(shared.boards))
    await shared.check()
    one, other = ([s.key for s in board.rollups.series.seen] for board in shared.boards)
    assert one == other


async def test_an_hour_that_one_closes_while_the_other_saves_late_samples_has_them(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other saves was made before the hour was there, and arrives after it."""
    one, other = shared.boards
    await shared.record(one, sample())
    await save(one)
    await other.rollups.reload()
    await shared.record(other, sample(ms=7, ended_at=START_NS + 1))
    await other.rollups.catch_up()
    really_save = other.store.rollups.save

    async def overtaken(change: RollupChange, expected: int) -> bool:
        monkeypatch.undo()
        shared.clock.advance(2 * HOUR_NS)
        await one.rollups.save()
        return await really_save(change, expected)

    monkeypatch.setattr(other.store.rollups, "save", overtaken)
    await other.rollups.save()
    await save(one)
    assert await one.store.rollups.starts(Tier.HOUR) != []
    shared.boards.remove(other)
    await shared.check()
    await shared.check(Asked(until=START_NS + HOUR_NS))
    await shared.verify()


async def aged(shared: Shared) -> None:
    """Samples of which the entries are old enough to go, and an entry that is not.

    One sample comes from a clock that is three hours ahead.
    """
    one, _ = shared.boards
    await shared.record(one, sample(ended_at=START_NS), sample(ended_at=AHEAD_NS))
    await save(one)
    shared.clock.advance(DAY_NS + HOUR_NS)
    await shared.record(one, sample(ms=5, ended_at=START_NS + 1))
    await save(one)
    for board in shared.boards:
        await board.rollups.load()
    await shared.check()
    shared.clock.advance(DAY_NS)


async def count_after_rebuild(shared: Shared) -> int:
    one, _ = shared.boards
    async for _ in rebuild(one.store, shared.clock):
        pass
    await one.rollups.load()
    return (await one.metrics()).requests_total


async def test_late_samples_of_one_join_what_the_other_settled(shared: Shared) -> None:
    one, other = shared.boards
    await aged(shared)
    assert await one.retainer.remove_due() > 0
    assert (await one.store.journal.cut(Stream.SAMPLES)).number == 1
    late = sample(ms=9, ended_at=AHEAD_NS + 1)
    await shared.record(other, late)
    await save(other)
    await shared.check()
    await shared.verify()
    assert await count_after_rebuild(shared) == 4
    await shared.verify()


async def test_both_may_settle_the_same_entries(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = shared.boards
    await aged(shared)
    really_trim = one.store.journal.trim

    async def overtaken(stream: Stream, upto: int) -> None:
        monkeypatch.undo()
        await other.retainer.remove_due()
        await really_trim(stream, upto)

    monkeypatch.setattr(one.store.journal, "trim", overtaken)
    await one.retainer.remove_due()
    assert (await one.store.journal.cut(Stream.SAMPLES)).number == 1
    await shared.check()
    await shared.verify()
    assert await count_after_rebuild(shared) == 3
    await shared.verify()


async def test_days_that_one_lets_expire_stay_in_the_others_answers(shared: Shared) -> None:
    one, other = shared.boards
    clock = shared.clock
    for _ in range(10):
        await shared.record(one, sample(ended_at=clock.now()))
        await save(one)
        await other.rollups.catch_up()
        clock.advance(DAY_NS)
    await save(one)
    await save(other)
    assert await one.retainer.remove_due() > 0
    assert min(await one.store.rollups.starts(Tier.DAY)) > MIDNIGHT_NS // 1_000_000
    await shared.check()
    await shared.check(Asked(as_of=clock.now()))
    await shared.verify()


def recent(dice: Dice, now: int) -> list[RequestSample]:
    """Samples that may be up to a day and a half late, or come from a clock that is ahead."""
    late = dice.of.choice([0, MINUTE_NS, HOUR_NS, 36 * HOUR_NS, -3 * HOUR_NS])
    return [
        sample(f"/{dice.of.randrange(4)}", ms=dice.of.randrange(900), ended_at=now - late + n)
        for n in range(dice.of.randrange(1, 6))
    ]


@pytest.mark.parametrize("seed", [2, 17])
async def test_retention_and_rebuilding_on_either_side_change_no_total(
    shared: Shared, seed: int
) -> None:
    dice, clock = Dice(seed), shared.clock
    for _ in range(120):
        board = dice.of.choice(shared.boards)
        (doing,) = dice.of.choices(
            ["record", "advance", "save", "retain", "rebuild"], [40, 25, 20, 12, 3]
        )
        if doing == "record":
            await shared.record(board, *recent(dice, clock.now()))
        elif doing == "advance":
            clock.advance(dice.of.choice([MINUTE_NS, HOUR_NS, 7 * HOUR_NS, DAY_NS]))
        elif doing == "save":
            await save(board)
        elif doing == "retain":
            await board.retainer.remove_due()
            await shared.check()
            await shared.verify()
        else:
            async for _ in rebuild(board.store, clock):
                pass
            await shared.verify()
            await shared.check()
    for board in shared.boards:
        await save(board)
    await shared.check()
    await shared.check(Asked(as_of=clock.now()))
    await shared.verify()


async def test_events_go_on_after_retention_and_a_cleared_index(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "ops.db"
    store = SqliteStore(path, clock)
    async with store.opened():
        board = Opsboard(store, clock, CountingIds())
        for number in range(5):
            await board.record_event(f"event {number}")
        await board.projections["event_index"].catch_up()
        await store.journal.trim(Stream.EVENTS, 3)
        await store.event_index.trim(3)
        await store.event_index.clear()
        assert [difference async for difference in verify(store)] == []
    store = SqliteStore(path, clock)
    async with store.opened():
        board = Opsboard(store, clock, CountingIds())
        await board.projections["event_index"].catch_up()
        assert await store.event_index.checkpoint() == 5
        assert [e.id for e in (await board.event_queries.search()).events] == [5, 4]
        assert [difference async for difference in verify(store)] == []


async def test_a_file_of_which_everything_was_trimmed_opens_and_goes_on(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "ops.db"
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.record_event("gone")
        await board.record_samples([sample()])
        await save(board)
        for stream in (Stream.EVENTS, Stream.SAMPLES):
            await store.journal.trim(stream, 1)
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        assert (await board.record_event("next")).id == 2
        assert (await board.metrics()).requests_total == 1
