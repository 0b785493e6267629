"""Files of older versions: they open, become ones of this version, and answer the same."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore, file, schema
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnusable
from opsboard.application.query_events import event_filter
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.instant import format_instant
from opsboard.domain.tier import Tier

from ..fakes import SECOND_NS, START_NS, CountingIds, ManualClock, entries, sample

DATA = Path(__file__).parent / "data"
WRITTEN = ["schema-v1.db", "entries-v1.db", "schema-v2.db"]
ROWS = [
    ("/cart/{id}", 200, 72, 21.125, 41),
    ("/cart/{id}", 503, 6, 26, 32),
    ("/pay", 200, 36, 20.75, 39),
    ("/pay", 503, 6, 26, 42),
]
"""What the previous version answered: route, status, count, mean and greatest latency in ms."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Schema 1: sixteen sample entries of version 2, and a saved fold."""
    return Path(shutil.copy(DATA / "schema-v1.db", tmp_path / "ops.db"))


async def started(store: SqliteStore, clock: ManualClock) -> Opsboard:
    board = Opsboard(store, clock, CountingIds())
    await board.rollups.start()
    return board


def schema_version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def layout(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT name, sql FROM sqlite_master"))


async def test_an_older_file_answers_the_same(path: Path, clock: ManualClock) -> None:
    clock.advance(200 * SECOND_NS)
    for _ in range(2):
        async with SqliteStore(path, clock).opened() as store:
            recorded = await entries(store.journal, Stream.SAMPLES)
            assert {r.encoded.version for r in recorded} == {2}
            board = await started(store, clock)
            for asked in ({}, {"last": "1h"}, {"since": "2026-01-31T09:00:00Z"}):
                snapshot = await board.metrics(**asked)
                assert [
                    (r.route, r.status_code, r.count, r.latency_ms, r.max_ms)
                    for r in snapshot.requests
                ] == ROWS
                assert (snapshot.requests_total, snapshot.errors_total) == (120, 12)
            found = await board.event_queries.search(event_filter(q="minute over"))
            assert [event.id for event in found.events] == [3, 2, 1]
            await board.rollups.save()
            assert [difference async for difference in verify(store)] == []
        assert schema_version(path) == schema.VERSION


async def test_an_older_file_knows_what_was_known_when(path: Path, clock: ManualClock) -> None:
    clock.advance(200 * SECOND_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = await started(store, clock)
        by_then = []
        for seconds in (0, 1, 60, 120, 179, 180):
            moment = format_instant(START_NS + seconds * SECOND_NS)
            by_then.append((await board.metrics(as_of=moment)).requests_total)
    assert by_then == sorted(by_then)
    assert by_then[0] == 0
    assert by_then[1] == 1
    assert by_then[-1] == 120


@pytest.mark.parametrize("name", WRITTEN)
async def test_an_older_file_goes_on(tmp_path: Path, clock: ManualClock, name: str) -> None:
    path = Path(shutil.copy(DATA / name, tmp_path / "ops.db"))
    clock.advance(200 * SECOND_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = await started(store, clock)
        before = (await board.metrics()).requests_total
        await board.record_samples([sample(ended_at=clock.now()), sample("/new")])
        assert (await board.metrics()).requests_total == before + 2
        assert (await board.record_event("from the newer version")).id == 4
        await board.rollups.save()
        clock.advance(86_400 * SECOND_NS)
        await board.rollups.save()
        assert len(await store.rollups.starts(Tier.DAY)) == 1
        assert [difference async for difference in verify(store)] == []
        versions = {r.encoded.version for r in await entries(store.journal, Stream.SAMPLES)}
        assert 3 in versions


@pytest.mark.parametrize("name", WRITTEN)
async def test_a_migrated_file_is_laid_out_as_a_new_one(
    tmp_path: Path, clock: ManualClock, name: str
) -> None:
    new, old = tmp_path / "new.db", Path(shutil.copy(DATA / name, tmp_path / "old.db"))
    for path in (new, old):
        async with SqliteStore(path, clock).opened():
            pass
    assert layout(old) == layout(new)


async def test_an_older_file_that_is_damaged_is_left_as_it_was(
    path: Path, clock: ManualClock
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM samples_entry WHERE number = 16")
        connection.commit()
    with pytest.raises(StoreUnusable, match="samples ends at 15, not at 16"):
        async with SqliteStore(path, clock).opened():
            pass
    assert schema_version(path) == 1


async def test_a_migration_that_another_connection_keeps_in_the_log_is_not_made_twice(
    path: Path, clock: ManualClock
) -> None:
    """The file's header is of the old version for as long as the log is not written back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM head").fetchone()
        for _ in range(2):
            async with SqliteStore(path, clock).opened() as store:
                board = await started(store, clock)
                assert (await board.metrics()).requests_total == 120
        reading.execute("ROLLBACK")
    assert schema_version(path) == schema.VERSION


def test_two_that_open_an_older_file_at_once_migrate_it_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = file._check_writable

    def overtaken(checked: Path) -> None:
        monkeypatch.undo()
        check(checked)
        file.prepare(checked)

    monkeypatch.setattr(file, "_check_writable", overtaken)
    file.prepare(path)
    assert schema_version(path) == schema.VERSION


def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = layout(path)
    broken = {1: f"{schema.MIGRATIONS[1]} INSERT INTO nowhere VALUES (1);"}  # noqa: S608
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    with pytest.raises(StoreUnusable, match="no such table: nowhere"):
        file.prepare(path)
    assert (schema_version(path), layout(path)) == (1, before)
