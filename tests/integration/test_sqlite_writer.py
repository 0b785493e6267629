"""The writer outlives what single jobs do: a fault is its job's own, and nobody waits for ever."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore
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
