"""The writer outlives what single jobs do: a fault is its job's own, and nobody waits for ever."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.adapters.sqlite.appending import MAX_ROWS
from opsboard.adapters.sqlite.checkpoint import checkpoint_all
from opsboard.adapters.sqlite.writer import GroupCommit
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnavailable
from opsboard.application.growth import Growth
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream

from ..fakes import CountingIds, ManualClock
from ..patience import patiently


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "ops.db", clock)
    async with made.opened():
        yield made


def overflowing(connection: GroupCommit) -> None:
    connection.execute("UPDATE store SET probe = ?", (2**63,))


async def test_a_job_at_fault_fails_alone_and_the_writer_goes_on(
    store: SqliteStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    board = Opsboard(store, clock, CountingIds())
    async with patiently():
        outcomes = await asyncio.gather(
            board.record_event("before"),
            store._writer.submit(overflowing),
            board.record_event("after"),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], StoreUnavailable)
        assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
        assert (await board.record_event("later")).id == 3
    assert [difference async for difference in verify(store)] == []
    assert "an entry can not be written" in caplog.text


async def statements_of(store: SqliteStore) -> list[str]:
    """What the writer runs from now on."""
    seen: list[str] = []
    await store._writer.submit(lambda connection: connection.set_trace_callback(seen.append))
    seen.clear()
    return seen


async def test_what_only_appends_is_one_statement(store: SqliteStore, clock: ManualClock) -> None:
    board = Opsboard(store, clock, CountingIds())
    async with patiently():
        await board.record_event("first")
        seen = await statements_of(store)
        events = await asyncio.gather(*(board.record_event(f"{n}") for n in range(5)))
        # A trigger's own steps are told under the name of the statement that set it off.
        assert {statement[:25] for statement in seen} == {"INSERT INTO events_entry("}
        await board.record_event("keyed", key="k")
        assert "COMMIT" in seen
        again = await asyncio.gather(
            board.record_event("plain"), board.record_event("keyed", key="k")
        )
    assert [event.id for event in events] == [2, 3, 4, 5, 6]
    assert {event.id for event in again} == {7, 8}
    assert (await store.journal.head(Stream.EVENTS)).number == 8
    assert [difference async for difference in verify(store)] == []


async def test_more_than_a_statement_holds_is_written_all_the_same(
    store: SqliteStore, clock: ManualClock
) -> None:
    board = Opsboard(store, clock, CountingIds())
    async with patiently():
        await board.record_event("first")
        for count in (MAX_ROWS, MAX_ROWS + 1):
            await asyncio.gather(*(board.record_event(f"{n}") for n in range(count)))
    assert (await store.journal.head(Stream.EVENTS)).number == 2 * MAX_ROWS + 2
    assert [difference async for difference in verify(store)] == []


async def test_who_appended_last_does_not_have_to_be_the_same_process(
    store: SqliteStore, tmp_path: Path, clock: ManualClock
) -> None:
    other = SqliteStore(tmp_path / "ops.db", clock)
    async with patiently(), other.opened():
        boards = [Opsboard(each, clock, CountingIds()) for each in (store, other)]
        ids = [(await boards[turn % 2].record_event(f"{turn}")).id for turn in (0, 0, 1, 1, 0, 1)]
    assert ids == [1, 2, 3, 4, 5, 6]
    assert [difference async for difference in verify(store)] == []


async def test_while_another_process_writes_an_append_waits(
    store: SqliteStore, tmp_path: Path, clock: ManualClock
) -> None:
    board = Opsboard(store, clock, CountingIds())
    async with patiently():
        await board.record_event("first")
        seen = await statements_of(store)
        with closing(sqlite3.connect(tmp_path / "ops.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            appending = asyncio.create_task(board.record_event("second"))
            while "BEGIN IMMEDIATE" not in seen:
                await asyncio.sleep(0)
            assert not appending.done()
            other.execute("COMMIT")
        assert (await appending).id == 2


async def test_what_fails_within_a_job_of_the_background_ends_nothing(store: SqliteStore) -> None:
    async with patiently():
        with pytest.raises(StoreUnavailable, match="too large"):
            await store._writer.submit_in_background(overflowing)
        await store.check_writable()
    assert (await store.journal.head(Stream.EVENTS)).number == 0


async def test_the_checkpoints_begin_once_the_file_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("opsboard.adapters.sqlite.checkpoint.EVERY_SECONDS", 0)
    path = tmp_path / "late.db"
    growth = Growth()
    running = asyncio.create_task(checkpoint_all(path, growth))
    async with patiently():
        while "can not be checkpointed now" not in caplog.text:
            await asyncio.sleep(0)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE some(x)")
            while path.stat().st_size < 8_192:
                growth.notify([])
                await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
