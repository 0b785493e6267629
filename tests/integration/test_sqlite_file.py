"""The SQLite file: what is refused and left as it was, what is read though it is old."""

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore, schema
from opsboard.adapters.sqlite.file import _check_tables, prepare, uri
from opsboard.application.board import Opsboard
from opsboard.application.errors import Overloaded, StoreUnavailable, StoreUnusable
from opsboard.application.query_events import event_filter
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream

from ..fakes import CountingIds, ManualClock, entries
from .server import run

OLD = Path(__file__).parent / "data" / "entries-v1.db"


def directory(path: Path) -> None:
    path.mkdir()


def missing_folder(path: Path) -> None:
    path.parent.rmdir()


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("hello\n" * 100)


def short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs(x)")


def newer(path: Path) -> None:
    shutil.copy(OLD, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def truncated(path: Path) -> None:
    path.write_bytes(OLD.read_bytes()[:40_960])


def scribbled(path: Path) -> None:
    content = bytearray(OLD.read_bytes())
    content[4096:12_288] = b"\xa5" * 8192
    path.write_bytes(content)


def beheaded(path: Path) -> None:
    shutil.copy(OLD, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM events_entry WHERE number = 3")
        connection.commit()


UNUSABLE: list[tuple[Callable[[Path], None], str]] = [
    (directory, "is a directory"),
    (missing_folder, "No such file or directory"),
    (empty, "is empty"),
    (text, "is no opsboard store"),
    (short, "is no opsboard store"),
    (foreign, "is an SQLite database, but no opsboard store"),
    (newer, "was written by a newer opsboard"),
    (truncated, "is damaged"),
    (scribbled, "is damaged"),
    (beheaded, "is damaged: events ends at 2, not at 3"),
]


@pytest.mark.parametrize(("spoil", "reason"), UNUSABLE)
def test_what_is_no_store_is_one_line_and_left_untouched(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "ops.db"
    spoil(path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for command in ("serve", "verify", "event"):
        arguments = [command, "--store", f"sqlite:///{path}"]
        arguments += ["--port", "0"] if command == "serve" else []
        arguments += ["a message"] if command == "event" else []
        ended = run(*arguments)
        assert ended.returncode == 2
        assert ended.stdout == b""
        (line,) = ended.stderr.decode().splitlines()
        assert line.startswith(f"opsboard: {path}: ")
        if command != "verify" or spoil is not missing_folder:
            assert reason in line
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


async def test_a_path_that_can_not_be_written(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreUnusable, match=r"/proc/ops\.db"):
        async with SqliteStore(Path("/proc/ops.db"), clock).opened():
            pass


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A store that an earlier version wrote, with samples in the first encoding."""
    return Path(shutil.copy(OLD, tmp_path / "old.db"))


async def test_a_file_with_older_entries_is_read_verified_and_continued(
    old_file: Path, clock: ManualClock
) -> None:
    clock.advance(60_000_000_000)
    store = SqliteStore(old_file, clock)
    async with store.opened():
        versions = {
            stream: {r.encoded.version for r in await entries(store.journal, stream)}
            for stream in (Stream.SAMPLES, Stream.EVENTS)
        }
        assert versions == {Stream.SAMPLES: {1}, Stream.EVENTS: {1}}
        board = Opsboard(store, clock, CountingIds())
        assert [difference async for difference in verify(store)] == []
        for projection in board.projections.values():
            await projection.start()
        for snapshot in (await board.metrics(), await board.metrics(last="1h")):
            assert (snapshot.requests_total, snapshot.errors_total) == (60, 3)
        found = await board.event_queries.search(event_filter(q="muller zahlung"))
        assert [event.id for event in found.events] == [3]
        assert (await board.record_event("from the newer version")).id == 4
        assert [difference async for difference in verify(store)] == []


def test_verify_finds_what_was_changed_behind_its_back(old_file: Path) -> None:
    store = f"sqlite:///{old_file}"
    assert run("verify", "--store", store).returncode == 0
    with closing(sqlite3.connect(old_file)) as connection:
        connection.execute(
            "UPDATE events_entry SET payload = CAST(replace(CAST(payload AS TEXT), 'spike', 'joke')"
            " AS BLOB) WHERE number = 1"
        )
        connection.execute("DELETE FROM event WHERE number = 2")
        connection.commit()
    ended = run("verify", "--store", store)
    assert ended.returncode == 1
    said = ended.stdout.decode()
    assert "events 1: the hash does not follow from the entry before" in said
    assert "event index: event 1 is not as the journal has it" in said


def test_verify_finds_an_entry_that_is_missing(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection:
        connection.execute("DELETE FROM samples_entry WHERE number = 2")
        connection.commit()
    ended = run("verify", "--store", f"sqlite:///{old_file}")
    assert ended.returncode == 1
    assert b"samples: entry 2 is missing; the next one is 3" in ended.stdout


def test_verify_finds_a_word_index_that_does_not_match(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection:
        connection.execute("INSERT INTO event_words(event_words) VALUES ('delete-all')")
        connection.commit()
    ended = run("verify", "--store", f"sqlite:///{old_file}")
    assert ended.returncode == 1
    assert b"event index: the word index does not match the events" in ended.stdout


async def test_the_file_is_written_ahead_and_synced_fully(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqliteStore(tmp_path / "ops.db", clock)
    async with store.opened():
        writer = store._writer._connection
        assert writer is not None
        mode = await store.event_index._reader.fetch_value("PRAGMA journal_mode")
        assert mode == "wal"
        assert (tmp_path / "ops.db").read_bytes()[68:72] == schema.APPLICATION_ID.to_bytes(4)


async def test_a_store_that_another_holds_locked_is_unavailable_and_recovers(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsboard.adapters.sqlite.writer.BUSY_SECONDS", 0.01)
    path = tmp_path / "ops.db"
    store = SqliteStore(path, clock)
    async with store.opened():
        board = Opsboard(store, clock, CountingIds())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="can not be written: database is locked"):
                await board.record_event("refused", key="k")
            assert not (await board.health.store()).ok
            other.execute("ROLLBACK")
        assert (await board.record_event("accepted")).id == 1
        clock.advance(2_000_000_000)
        assert (await board.health.store()).ok


async def test_beyond_the_bound_of_what_waits_writes_are_refused_at_once(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsboard.adapters.sqlite.writer.MAX_WAITING", 10)
    store = SqliteStore(tmp_path / "ops.db", clock)
    async with store.opened():
        board = Opsboard(store, clock, CountingIds())
        outcomes = await asyncio.gather(
            *(board.record_event(str(n)) for n in range(50)), return_exceptions=True
        )
        refused = [o for o in outcomes if isinstance(o, Overloaded)]
        assert len(refused) == 40
        assert (await board.store.journal.head(Stream.EVENTS)).number == 10


async def test_a_closed_store_says_so(tmp_path: Path, clock: ManualClock) -> None:
    store = SqliteStore(tmp_path / "ops.db", clock)
    async with store.opened():
        board = Opsboard(store, clock, CountingIds())
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        await board.record_event("too late")
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        await board.event_queries.search()


async def test_a_commit_that_fails_acknowledges_nobody(tmp_path: Path, clock: ManualClock) -> None:
    """A trigger fails within the transaction, as a full disk would."""
    path = tmp_path / "ops.db"
    store = SqliteStore(path, clock)
    async with store.opened():
        board = Opsboard(store, clock, CountingIds())
        with closing(sqlite3.connect(path)) as other:
            other.execute(
                "CREATE TRIGGER fail BEFORE INSERT ON events_entry "
                "BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
            other.commit()
            with pytest.raises(StoreUnavailable, match="no room"):
                await board.record_event("lost")
            assert (await board.event_queries.search()).events == []
            other.execute("DROP TRIGGER fail")
            other.commit()
        assert (await board.record_event("kept")).id == 1
        assert [difference async for difference in verify(store)] == []


def test_a_file_that_grows_while_it_is_checked_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process commits between what the check reads of the head and of the entries."""
    path = tmp_path / "ops.db"
    shutil.copy(OLD, path)
    connect = sqlite3.connect

    class Overtaken(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if sql == "SELECT max(number) FROM events_entry":
                with closing(connect(path)) as other:
                    other.execute("PRAGMA journal_mode = WAL")
                    other.execute(
                        "INSERT INTO events_entry SELECT number + 1, recorded_at, kind, version, "
                        "payload, hash, key, fingerprint FROM events_entry WHERE number = 3"
                    )
                    other.execute("UPDATE head SET number = 4 WHERE stream = 'events'")
                    other.commit()
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    with closing(connect(path)) as first:
        first.execute("PRAGMA journal_mode = WAL")
    monkeypatch.setattr(
        "opsboard.adapters.sqlite.file.sqlite3.connect",
        lambda *given, **named: connect(*given, **named, factory=Overtaken),
    )
    _check_tables(path, uri(path, "ro"))


def test_a_draft_that_was_left_behind_blocks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "ops.db"
    left_behind = path.with_name(f".ops.db.{os.getpid()}.new")
    left_behind.touch()
    prepare(path)
    assert {p.name for p in tmp_path.iterdir()} == {"ops.db", left_behind.name}


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("opsboard.adapters.sqlite.file.os.link", link)
    path = tmp_path / "ops.db"
    prepare(path)
    assert [p.name for p in tmp_path.iterdir()] == ["ops.db"]
    assert run("verify", "--store", f"sqlite:///{path}").returncode == 0
