"""One bit of a store's file is flipped, anywhere: it is refused, or named, or it changes nothing.

An answer is never another one in silence: whatever `verify` has nothing to say about answers as
before, or refuses to answer.
"""

import asyncio
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import OpsboardError, StoreUnavailable, StoreUnusable
from opsboard.application.rebuild import rebuild
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream

from ...fakes import CountingIds, ManualClock
from .answers import KEPT, answers, make
from .lengths import length

HEADER_BYTES = 100
SEED = 20260131


class Seen(NamedTuple):
    """What became of a file: what it was refused for, or its answers and what `verify` named."""

    refused: str | None
    given: list[object]
    named: list[str]


async def look(path: Path, now: int) -> Seen:
    clock = ManualClock(now)
    store = SqliteStore(path, clock)
    try:
        async with store.opened():
            board = Opsboard(store, clock, CountingIds())
            try:
                await board.retainer.load()
                for projection in board.projections.values():
                    await projection.start()
                given = await answers(board)
            except OpsboardError:
                given = []
            return Seen(None, given, [fault async for fault in verify(store)])
    except StoreUnusable as error:
        return Seen(str(error), [], [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flipped")


@pytest.fixture(scope="module")
def whole(folder: Path) -> tuple[bytes, int, list[object]]:
    """The content of a file, the time of its last entry, and what it answers."""
    path = folder / "whole.db"
    now = asyncio.run(make(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")  # no page has a copy of what lies in another
    content = path.read_bytes()
    seen = asyncio.run(look(path, now))
    assert seen.refused is None
    assert seen.named == []
    return content, now, seen.given


def flips(content: bytes, count: int) -> Iterator[tuple[int, int]]:
    """Offsets and bits: some in the header, all others where something is written."""
    chance = random.Random(SEED)
    written = [at for at, byte in enumerate(content) if byte]
    for number in range(count):
        in_header = number % 12 == 0
        at = chance.randrange(HEADER_BYTES) if in_header else chance.choice(written)
        yield at, 1 << chance.randrange(8)


def flipped(path: Path, content: bytes, at: int, bit: int) -> Path:
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
    return path


async def sweep(folder: Path, whole: tuple[bytes, int, list[object]], count: int) -> None:
    content, now, golden = whole
    outcomes = dict.fromkeys(("refused", "named", "unchanged"), 0)
    for at, bit in flips(content, count):
        seen = await look(flipped(folder / "flipped.db", content, at, bit), now)
        if seen.refused is not None:
            assert "\n" not in seen.refused
            outcomes["refused"] += 1
        elif seen.named:
            outcomes["named"] += 1
        else:
            outcomes["unchanged"] += 1
            for before, after in zip(golden, seen.given, strict=False):
                assert after in (before, None), f"byte {at}, bit {bit}"
    assert min(outcomes.values()) > count // 20, outcomes


async def test_a_flipped_bit_is_refused_or_named_or_changes_no_answer(
    folder: Path, whole: tuple[bytes, int, list[object]]
) -> None:
    await sweep(folder, whole, 40)


@pytest.mark.chaos
async def test_many_flipped_bits_one_at_a_time(
    folder: Path, whole: tuple[bytes, int, list[object]]
) -> None:
    await sweep(folder, whole, length("CHAOS_FLIPS", 5_000))


class Place(NamedTuple):
    """Where to flip a bit: `before` the end of what is stored, or of the tree's first page."""

    query: str
    before: int


def root(name: str, before: int) -> Place:
    """In a tree of one page, whose end is what was stored in it first."""
    sql = f"SELECT rootpage FROM sqlite_schema WHERE name = '{name}'"  # noqa: S608
    return Place(sql, before)


def offset(path: Path, place: Place) -> int:
    content = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute(place.query).fetchone()
        if isinstance(found, int):
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            return int(found * page_size - place.before)
    assert content.count(found) == 1
    return content.index(found) + len(found) - place.before


NEWEST = "FROM rollup WHERE tier = 60000 ORDER BY start_ms DESC"
OF_READ_MODELS = {
    "rollup": (Place(f"SELECT rollups {NEWEST}", 3), "another checksum"),
    "its last sample": (Place(f"SELECT substr(rollups, 1, 60) {NEWEST}", 61), "to another row"),
    "minutes": (root("minute_entry", 1), "its entries are not those that are noted"),
    "groups": (Place("SELECT state FROM fold WHERE name = 'error_groups'", 9), "error groups: "),
    "event": (
        Place("SELECT CAST(message || meta AS BLOB) FROM event ORDER BY number DESC", 30),
        "event index: ",
    ),
    "words": (Place("SELECT block FROM event_words_data WHERE id > 10", 3), "event index: "),
    "index": (root("event_level", 3), "store: "),
    "index of rollups": (root("sqlite_autoindex_rollup_1", 2), "store: "),
}


@pytest.mark.parametrize("what", OF_READ_MODELS)
async def test_what_is_damaged_of_a_read_model_is_named_and_rebuilt(
    folder: Path, whole: tuple[bytes, int, list[object]], what: str
) -> None:
    content, now, golden = whole
    place, said = OF_READ_MODELS[what]
    path = flipped(folder / "model.db", content, offset(folder / "whole.db", place), 1)
    seen = await look(path, now)
    assert seen.refused is None
    assert any(said in named for named in seen.named), seen.named
    clock = ManualClock(now)
    async with SqliteStore(path, clock).opened() as store:
        async for _ in rebuild(store, clock):
            pass
    assert await look(path, now) == Seen(None, golden, [])


BEYOND_REBUILDING = {
    "settled": Place("SELECT rollups FROM settled", 5),
    "series": Place("SELECT state FROM fold WHERE name = 'series'", 9),
}
"""Retention removed the entries that they were folded from: what is left goes back to a backup."""


@pytest.mark.parametrize("what", BEYOND_REBUILDING)
async def test_what_nothing_brings_back_is_named_and_not_dropped(
    folder: Path, whole: tuple[bytes, int, list[object]], what: str
) -> None:
    content, now, _ = whole
    at = offset(folder / "whole.db", BEYOND_REBUILDING[what])
    path = flipped(folder / "kept.db", content, at, 1)
    named = (await look(path, now)).named
    assert any("another checksum" in fault for fault in named)
    clock = ManualClock(now)
    async with SqliteStore(path, clock).opened() as store:
        with suppress(StoreUnavailable):
            async for _ in rebuild(store, clock):
                pass
    assert any("another checksum" in fault for fault in (await look(path, now)).named)


@pytest.mark.parametrize(
    ("within", "bit", "said"),
    [
        (len("retentionraw="), 1, "'retention' is damaged: 'raw=3d"),
        (0, 1, "'setention' is damaged: 'raw=2d"),
        (0, 0x80, "etention' is damaged: 'raw=2d"),
        # No line begins, so that there is no checksum, as older versions wrote none.
        (len(f"retention{KEPT}"), 0x10, "'retention' is damaged: 'raw=2d"),
    ],
)
async def test_a_damaged_retention_removes_nothing_until_it_is_chosen_again(
    folder: Path, whole: tuple[bytes, int, list[object]], within: int, bit: int, said: str
) -> None:
    content, now, golden = whole
    at = content.index(b"retentionraw=2d") + within
    path = flipped(folder / "setting.db", content, at, bit)
    clock = ManualClock(now)
    with pytest.raises(StoreUnusable, match=rf"{said}.*choose it again, by OPS_RETENTION"):
        async with Opsboard(SqliteStore(path, clock), clock, CountingIds()):
            pass
    async with Opsboard(SqliteStore(path, clock), clock, CountingIds(), retention=KEPT):
        pass
    assert await look(path, now) == Seen(None, golden, [])


OF_THE_JOURNAL = {
    "samples": "SELECT payload FROM samples_entry ORDER BY number DESC",
    "events": "SELECT payload FROM events_entry ORDER BY number DESC",
}


@pytest.mark.parametrize("stream", OF_THE_JOURNAL)
async def test_a_damaged_entry_is_named_by_its_number(
    folder: Path, whole: tuple[bytes, int, list[object]], stream: str
) -> None:
    content, now, _ = whole
    at = offset(folder / "whole.db", Place(OF_THE_JOURNAL[stream], 9))
    path = flipped(folder / "entry.db", content, at, 1)
    seen = await look(path, now)
    number = {"samples": 20, "events": 25}[stream]
    assert f"{stream} {number}: the hash does not follow from the entry before" in seen.named


async def test_a_damaged_schema_is_refused_in_one_line_whatever_bytes_it_has(
    folder: Path, whole: tuple[bytes, int, list[object]]
) -> None:
    """SQLite repeats the damaged text, which need not be UTF-8 any more."""
    content, now, _ = whole
    at = content.rindex(b"CREATE TABLE rollup(") + len("CREATE TABLE rollup(\n    tier IN")
    seen = await look(flipped(folder / "schema.db", content, at, 0x80), now)
    assert seen.refused is not None
    assert ": is damaged: " in seen.refused
    assert "\n" not in seen.refused


EVENTS = 40


@pytest.fixture(scope="module")
def left_behind(folder: Path) -> tuple[bytes, bytes]:
    """A file and its log as a killed process leaves them: a commit for each event."""

    async def record() -> tuple[bytes, bytes]:
        path, clock = folder / "killed.db", ManualClock()
        store = SqliteStore(path, clock)
        async with store.opened():
            board = Opsboard(store, clock, CountingIds())
            for number in range(EVENTS):
                await board.record_event(f"event {number}")
            return path.read_bytes(), path.with_name("killed.db-wal").read_bytes()

    return asyncio.run(record())


async def test_a_flipped_bit_of_the_log_does_not_drop_what_follows(
    folder: Path, left_behind: tuple[bytes, bytes]
) -> None:
    """SQLite takes it for the end of the log. Only of the last commit nobody can tell."""
    content, log = left_behind
    chance = random.Random(SEED)
    path, clock = folder / "log.db", ManualClock()
    refused: list[str] = []
    for _ in range(60):
        at, bit = chance.randrange(32, len(log)), 1 << chance.randrange(8)
        flipped(path, content, 0, 0)
        flipped(path.with_name("log.db-wal"), log, at, bit)
        store = SqliteStore(path, clock)
        try:
            async with store.opened():
                kept = (await store.journal.head(Stream.EVENTS)).number
        except StoreUnusable as error:
            refused.append(str(error))
        else:
            assert kept >= EVENTS - 1, at
    assert len(refused) > 30
    said = re.compile(r"log\.db-wal, frame \d+ is not as it was written")
    assert all(said.search(reason) for reason in refused)
