"""What is changed behind opsboard's back is named by `verify`, and never a wrong number."""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opsboard.adapters.columns import pack
from opsboard.adapters.rollup_blob import decode_rollups, encode_rollups
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnavailable
from opsboard.application.rebuild import rebuild
from opsboard.application.verify import verify
from opsboard.domain.cumulative import CumulativePoint
from opsboard.domain.entry import Stream
from opsboard.domain.histogram_batch import HistogramBatch
from opsboard.domain.measured import MeasuredHistogram
from opsboard.domain.sample import RequestSample
from opsboard.domain.tier import Tier

from ..fakes import SECOND_NS, START_NS, CountingIds, ManualClock, measured, sample
from .contracts.naive import Asked, Log, check
from .contracts.test_metrics_engine import HOUR_NS, MIDNIGHT_NS, MINUTE_NS

MINUTE_MS = START_NS // 1_000_000
HOUR_MS = MINUTE_MS
DAY_MS = MIDNIGHT_NS // 1_000_000
SERIES = "shop /cart/{id} GET 200"
LATER_NS = START_NS + 40 * HOUR_NS
RECORDED: list[tuple[int, list[RequestSample]]] = [
    (
        START_NS,
        [
            sample(ms=1),
            sample(ms=2, ended_at=START_NS + MINUTE_NS),
            sample("/b", status=503),
            sample("/the/day/before", ended_at=START_NS - 24 * HOUR_NS),
        ],
    ),
    (
        START_NS + 1,
        [sample(ms=3, ended_at=START_NS + 1), sample(ms=4, ended_at=START_NS + 2 * HOUR_NS)],
    ),
    (START_NS + 30 * HOUR_NS, [sample(ms=5, ended_at=START_NS + 30 * HOUR_NS)]),
]


async def live_two_days(path: Path) -> None:
    """Both are rolled up; the first hour of the first one has two entries."""
    clock = ManualClock()
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        for clock.time, samples in RECORDED:
            await board.record_samples(samples)
        clock.time = LATER_NS
        await board.rollups.catch_up()
        await board.rollups.save()
        assert await store.rollups.starts(Tier.DAY) == [
            DAY_MS - Tier.DAY,
            DAY_MS,
            DAY_MS + Tier.DAY,
        ]
        assert [difference async for difference in verify(store)] == []


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("undamaged") / "ops.db"
    asyncio.run(live_two_days(made))
    return made


@pytest.fixture
def path(undamaged: Path, tmp_path: Path) -> Path:
    """A copy for each test."""
    made = tmp_path / "ops.db"
    made.write_bytes(undamaged.read_bytes())
    return made


OLDEST_MINUTE = (Tier.MINUTE, MINUTE_MS - Tier.DAY)


def recorded() -> Log:
    log = Log()
    for moment, samples in RECORDED:
        log.record(moment, samples)
    return log


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def execute(sql: str, *parameters: Any) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with edited(path) as connection:
            assert connection.execute(sql, parameters).rowcount == 1

    return edit


def change(
    table: str, column: str, where: str, with_: Callable[[bytes], bytes]
) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with edited(path) as connection:
            row = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()  # noqa: S608
            sql = f"UPDATE {table} SET {column} = ? WHERE {where}"  # noqa: S608
            assert connection.execute(sql, (with_(row[0]),)).rowcount == 1

    return edit


def rollup_of(tier: Tier, start: int, with_: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return change("rollup", "rollups", f"tier = {tier:d} AND start_ms = {start}", with_)


def counted_once_more(blob: bytes) -> bytes:
    """A blob that is whole, and wrong in the first series."""
    rollups = decode_rollups(blob)
    count = rollups.count.copy()
    count[0] += 1
    return encode_rollups(msgspec.structs.replace(rollups, count=count))


def slower(blob: bytes) -> bytes:
    rollups = decode_rollups(blob)
    return encode_rollups(msgspec.structs.replace(rollups, sum_ns=rollups.sum_ns + 1))


def flipped(blob: bytes) -> bytes:
    return blob[:-2] + bytes([blob[-2] ^ 1]) + blob[-1:]


def at(ms: int) -> str:
    return {MINUTE_MS: "2026-01-31T09:00:00.000Z", DAY_MS: "2026-01-31T00:00:00.000Z"}[ms]


async def faults(path: Path) -> list[str]:
    async with SqliteStore(path, ManualClock(LATER_NS)).opened() as store:
        return [difference async for difference in verify(store)]


WRONG: list[tuple[Callable[[Path], None], list[str]]] = [
    (
        rollup_of(Tier.MINUTE, MINUTE_MS, counted_once_more),
        [
            f"the minute {at(MINUTE_MS)}: {SERIES}: stored count 3, recomputed 2",
            f"the hour {at(HOUR_MS)}: {SERIES}: stored count 3, recomputed 4",
        ],
    ),
    (
        rollup_of(Tier.MINUTE, MINUTE_MS, slower),
        [
            f"the minute {at(MINUTE_MS)}: {SERIES}: stored count 2, recomputed 2",
            f"the hour {at(HOUR_MS)}: {SERIES}: stored count 3, recomputed 3",
        ],
    ),
    (
        rollup_of(Tier.HOUR, HOUR_MS, counted_once_more),
        [
            f"the hour {at(HOUR_MS)}: {SERIES}: stored count 4, recomputed 3",
            f"the day {at(DAY_MS)}: {SERIES}: stored count 4, recomputed 5",
        ],
    ),
    (
        rollup_of(Tier.DAY, DAY_MS, counted_once_more),
        [
            f"the day {at(DAY_MS)}: {SERIES}: stored count 5, recomputed 4",
            f"the total: {SERIES}: stored count 5, recomputed 6",
        ],
    ),
    (
        change("fold", "state", "name = 'total'", counted_once_more),
        [f"the total: {SERIES}: stored count 6, recomputed 5"],
    ),
    (
        execute("DELETE FROM rollup WHERE tier = ? AND start_ms = ?", Tier.MINUTE, MINUTE_MS),
        [
            f"the minute {at(MINUTE_MS)}: {SERIES}: stored count 0, recomputed 2",
            f"the hour {at(HOUR_MS)}: {SERIES}: stored count 3, recomputed 1",
        ],
    ),
    (
        execute("DELETE FROM minute_entry WHERE minute = ? AND number = 2", MINUTE_MS),
        [f"the minute {at(MINUTE_MS)}: its entries are not those that are noted"],
    ),
    (
        execute("INSERT INTO minute_entry VALUES (?, 3)", MINUTE_MS),
        [f"the minute {at(MINUTE_MS)}: its entries are not those that are noted"],
    ),
    (
        execute("UPDATE minute_entry SET number = 3 WHERE minute = ? AND number = 2", MINUTE_MS),
        [f"the minute {at(MINUTE_MS)}: its entries are not those that are noted"],
    ),
]


@pytest.mark.parametrize(("edit", "said"), WRONG)
async def test_verify_names_what_was_changed(
    path: Path, edit: Callable[[Path], None], said: list[str]
) -> None:
    edit(path)
    assert await faults(path) == said


async def test_the_oldest_minute_hour_and_day_are_looked_at_too(path: Path) -> None:
    before, said = "2026-01-30T09:00:00.000Z", "shop /the/day/before GET 200"
    for tier in (Tier.MINUTE, Tier.HOUR):
        rollup_of(tier, MINUTE_MS - Tier.DAY, counted_once_more)(path)
    rollup_of(Tier.DAY, DAY_MS - Tier.DAY, slower)(path)
    assert await faults(path) == [
        f"the minute {before}: {said}: stored count 2, recomputed 1",
        f"the day 2026-01-30T00:00:00.000Z: {said}: stored count 1, recomputed 2",
        f"the total: {said}: stored count 1, recomputed 1",
    ]
    execute("DELETE FROM rollup WHERE tier = ? AND start_ms = ?", *OLDEST_MINUTE)(path)
    assert (await faults(path))[:2] == [
        f"the minute {before}: {said}: stored count 0, recomputed 1",
        f"the hour {before}: {said}: stored count 2, recomputed 0",
    ]


@pytest.mark.parametrize("edit", [edit for edit, _ in WRONG])
async def test_rebuilding_mends_what_was_changed(path: Path, edit: Callable[[Path], None]) -> None:
    edit(path)
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        async for _ in rebuild(store, clock):
            pass
        assert [difference async for difference in verify(store)] == []
    await check_answers(path)


@pytest.mark.parametrize(("tier", "start"), [(Tier.HOUR, HOUR_MS), (Tier.DAY, DAY_MS)])
async def test_an_hour_or_day_that_is_missing_is_made_anew_with_the_next_save(
    path: Path, tier: Tier, start: int
) -> None:
    execute("DELETE FROM rollup WHERE tier = ? AND start_ms = ?", tier, start)(path)
    await check_answers(path)
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        await board.rollups.save()
        assert start in await store.rollups.starts(tier)
    assert await faults(path) == []


QUESTIONS = [
    Asked(),
    Asked(until=MIDNIGHT_NS + 24 * HOUR_NS),
    Asked(since=START_NS, until=START_NS + HOUR_NS),
    Asked(since=START_NS, until=START_NS + MINUTE_NS),
    Asked(since=START_NS + SECOND_NS),
    Asked(as_of=START_NS),
]


async def check_answers(path: Path) -> None:
    log, clock = recorded(), ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        for asked in QUESTIONS:
            check(await board.metrics(**asked.words()), log.found(asked, clock.now()))


@pytest.mark.parametrize(
    ("tier", "start", "refused"),
    [
        (Tier.DAY, DAY_MS, QUESTIONS[1]),
        (Tier.HOUR, HOUR_MS, QUESTIONS[2]),
        (Tier.MINUTE, MINUTE_MS, QUESTIONS[3]),
    ],
)
async def test_a_damaged_rollup_is_an_error_by_name_and_no_wrong_number(
    path: Path, tier: Tier, start: int, refused: Asked
) -> None:
    rollup_of(tier, start, flipped)(path)
    clock = ManualClock(LATER_NS)
    said = rf"the rollup of the {tier.name.lower()} at {start} ms has another checksum"
    log = recorded()
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        with pytest.raises(StoreUnavailable, match=said):
            await board.metrics(**refused.words())
        found = [difference async for difference in verify(store)]
        assert re.search(said, found[0])
        for asked in (Asked(), Asked(since=START_NS + 3 * HOUR_NS)):
            check(await board.metrics(**asked.words()), log.found(asked, clock.now()))
        async for _ in rebuild(store, clock):
            pass
        assert [difference async for difference in verify(store)] == []
    await check_answers(path)


async def test_a_damaged_total_is_summed_up_anew(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change("fold", "state", "name = 'total'", flipped)(path)
    await check_answers(path)
    assert "the total of all samples has another checksum" in caplog.text


async def test_a_damaged_table_of_series_is_an_error_until_it_is_rebuilt(path: Path) -> None:
    change("fold", "state", "name = 'series'", flipped)(path)
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        with pytest.raises(StoreUnavailable, match="the table of series has another checksum"):
            await Opsboard(store, clock, CountingIds()).rollups.start()
        async for _ in rebuild(store, clock):
            pass
    await check_answers(path)


async def test_a_damaged_segment_is_named_with_its_number(path: Path) -> None:
    change("samples_entry", "payload", "number = 2", flipped)(path)
    found = await faults(path)
    assert found[:2] == [
        "samples 2: the hash does not follow from the entry before",
        "samples 2: 'samples' version 3 is damaged: has another checksum than its content",
    ]
    assert any(said.startswith(f"the minute {at(MINUTE_MS)}: ") for said in found)


async def test_a_segment_that_is_missing_is_named(path: Path) -> None:
    execute("DELETE FROM samples_entry WHERE number = 2")(path)
    found = await faults(path)
    assert found[0] == "samples: entry 2 is missing; the next one is 3"


async def test_what_a_damaged_segment_leaves_in_the_rollups_is_still_answered(
    path: Path,
) -> None:
    """Only a window that cuts its minutes needs the segment."""
    change("samples_entry", "payload", "number = 2", flipped)(path)
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        assert (await board.metrics()).requests_total == 7
        asked = Asked(since=START_NS, until=START_NS + HOUR_NS)
        assert (await board.metrics(**asked.words())).requests_total == 4
        minute = Asked(since=START_NS, until=START_NS + MINUTE_NS)
        cut = board.metrics_queries.question(**minute.words())
        assert (await board.series_queries.series(cut, "1s")).groups[0].count[0] == 2
        assert "1 unreadable" in (await board.health.ready())["rollups"].detail


def invented(tier: Tier, start: int) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with edited(path) as connection:
            sql = "SELECT rollups FROM rollup WHERE tier = ? AND start_ms = ?"
            (blob,) = connection.execute(sql, (Tier.MINUTE, MINUTE_MS)).fetchone()
            row = (tier, start, start, start, encode_rollups(decode_rollups(blob)))
            connection.execute("INSERT INTO rollup VALUES (?, ?, ?, ?, ?)", row)

    return edit


@pytest.mark.parametrize(
    ("tier", "start", "named"),
    [
        (Tier.MINUTE, MINUTE_MS + 7 * Tier.MINUTE, "the hour 2026-01-31T09:00:00.000Z"),
        (Tier.MINUTE, MINUTE_MS + 39 * Tier.HOUR + Tier.MINUTE, "the total"),
        (Tier.HOUR, HOUR_MS + 5 * Tier.HOUR, "the hour 2026-01-31T14:00:00.000Z"),
        (Tier.DAY, DAY_MS + 5 * Tier.DAY, "the day 2026-02-05T00:00:00.000Z"),
    ],
)
async def test_a_rollup_of_no_sample_is_named(
    path: Path, tier: Tier, start: int, named: str
) -> None:
    invented(tier, start)(path)
    assert any(said.startswith(f"{named}: ") for said in await faults(path))


async def test_two_answers_at_once_do_not_disturb_each_other(path: Path) -> None:
    clock = ManualClock(LATER_NS)
    log = recorded()
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        given = await asyncio.gather(*(board.metrics(**q.words()) for q in QUESTIONS * 5))
        for snapshot, asked in zip(given, QUESTIONS * 5, strict=True):
            check(snapshot, log.found(asked, clock.now()))


POINT = CumulativePoint(b"a-counter-of-one", LATER_NS, MeasuredHistogram(3, 3, {0: 3}))


async def with_a_histogram(path: Path) -> int:
    """The number of an entry that counts three requests, and says where a counter stands."""
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        rows = [measured(sample().series, [1, 2, 3], LATER_NS)]
        batch = HistogramBatch.of(rows, [POINT])
        appended = await store.journal.append(Stream.SAMPLES, [batch])
        await board.rollups.start()
        await board.rollups.save()
    assert await faults(path) == []
    return appended.numbers[0]


async def test_without_knowing_where_counters_stand_nothing_is_counted_until_a_rebuild(
    path: Path,
) -> None:
    """They would count from their start once more."""
    await with_a_histogram(path)
    change("fold", "state", "name = 'streams'", flipped)(path)
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        board = Opsboard(store, clock, CountingIds())
        with pytest.raises(StoreUnavailable, match=r"what counters stood at .* rebuild"):
            await board.rollups.start()
        async for _ in rebuild(store, clock):
            pass
        await board.rollups.start()
        assert board.rollups.streams.newest(POINT.stream) == POINT
    assert await faults(path) == []


async def test_a_counter_that_is_stored_wrongly_is_named(path: Path) -> None:
    await with_a_histogram(path)

    def earlier(blob: bytes) -> bytes:
        wrong = [msgspec.structs.replace(POINT, time_ns=LATER_NS - 1)]
        return pack(b"OPSC", 1, msgspec.msgpack.encode(wrong), [])

    change("fold", "state", "name = 'streams'", earlier)(path)
    (fault,) = await faults(path)
    assert fault.startswith(f"the counter {POINT.stream.hex()}: is not stored")


async def test_a_damaged_histogram_is_left_out_named_and_counted(path: Path) -> None:
    number = await with_a_histogram(path)
    change("samples_entry", "payload", f"number = {number}", flipped)(path)
    found = await faults(path)
    assert f"samples {number}: 'histograms' version 1 is damaged" in "\n".join(found)
    clock = ManualClock(LATER_NS)
    async with SqliteStore(path, clock).opened() as store:
        async for _ in rebuild(store, clock):
            pass
        board = Opsboard(store, clock, CountingIds())
        await board.rollups.start()
        check(await board.metrics(), recorded().found(Asked(), clock.now()))
        await board.metrics(last="1h")
        assert board.rollups.unreadable == 0
        board.rollups.checkpoint = number - 1
        await board.rollups.catch_up()
        assert board.rollups.unreadable == 1
