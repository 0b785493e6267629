"""Histograms that others measured: what counts, and that it counts once; on every store."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application import record_histograms, transfer
from opsboard.application.board import Opsboard
from opsboard.application.errors import IdempotencyClash, StoreUnavailable
from opsboard.application.ports import Store
from opsboard.application.record_histograms import SentHistogram
from opsboard.application.verify import verify
from opsboard.domain.entry import IdempotencyKey, Stream
from opsboard.domain.measured import MeasuredHistogram
from opsboard.domain.sample import SampleBatch, SeriesKey

from ...fakes import SECOND_NS, CountingIds, FailingJournal, ManualClock, entries, observe, sample

KEY = SeriesKey("shop", "/cart/{id}", "GET", 200)
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 1_440 * MINUTE_NS
NAME = b"a-counter-of-one"
TOLD_BY_SAMPLES = "spans or samples count the requests of shop already"
STARTED_EARLIER = "the counter started over a day ago or at an unknown time: it counts from here on"


@pytest.fixture
async def board(store: Store, clock: ManualClock) -> Opsboard:
    made = Opsboard(store, clock, CountingIds(), max_series=3)
    await made.rollups.start()
    return made


def histogram(count: int, ms: int = 20) -> MeasuredHistogram:
    """So many requests of about so many ms."""
    buckets = {np.searchsorted([10, 100], ms).item(): count} if count else {}
    return MeasuredHistogram(count, count * ms * 10**6, buckets, bounds=(0.01, 0.1))


class Client:
    """A process that counts requests and exports each minute."""

    def __init__(self, board: Opsboard, clock: ManualClock, name: bytes = NAME) -> None:
        self.board = board
        self.clock = clock
        self.name = name
        self.started = clock.now()
        self.counted = 0
        self.exports = 0

    def point(self, key: SeriesKey = KEY) -> SentHistogram:
        return SentHistogram(
            key, self.started, self.clock.now(), histogram(self.counted), self.name
        )

    async def export(self, more: int) -> Counter[str]:
        self.clock.advance(MINUTE_NS)
        self.counted += more
        self.exports += 1
        return await send(self.board, [self.point()], f"{self.name!r} {self.exports}")


async def send(board: Opsboard, sent: Sequence[SentHistogram], key: str = "") -> Counter[str]:
    name = key or repr(sent)
    named = IdempotencyKey(name, name.encode())
    return await board.histograms.record(sent, named, Counter())


async def total(board: Opsboard, **asked: str) -> int:
    return (await board.metrics(**asked)).requests_total


def delta(count: int, clock: ManualClock, key: SeriesKey = KEY) -> SentHistogram:
    return SentHistogram(key, clock.now() - MINUTE_NS, clock.now(), histogram(count))


async def test_what_is_sent_as_a_difference_counts_as_it_is(
    board: Opsboard, clock: ManualClock
) -> None:
    assert await send(board, [delta(3, clock), delta(4, clock)]) == {}
    row = (await board.metrics()).requests[0]
    assert (row.service, row.route, row.count) == ("shop", "/cart/{id}", 7)
    assert (row.latency_ms, row.max_ms) == (20, 100)
    assert 10 < row.p50_ms < 100


async def test_the_same_export_again_counts_once(board: Opsboard, clock: ManualClock) -> None:
    client = Client(board, clock)
    sent = [delta(3, clock), replace(client.point(), ended_ns=clock.now() + 1)]
    client.counted = 4
    sent.append(replace(client.point(), ended_ns=clock.now() + 2))
    for _ in range(3):
        assert await send(board, sent, "one") == {}
        assert await total(board) == 7
    with pytest.raises(IdempotencyClash):
        await board.histograms.record(
            [delta(9, clock)], IdempotencyKey("one", b"another"), Counter()
        )


async def test_a_counter_counts_what_it_grew_by(board: Opsboard, clock: ManualClock) -> None:
    client = Client(board, clock)
    counted = 0
    for more in (5, 0, 3, 0, 0, 7):
        assert await client.export(more) == {}
        counted += more
        assert await total(board) == counted
    assert await total(board, last="59s") == 7
    recorded = await entries(board.store.journal, Stream.SAMPLES)
    assert len(recorded) == 3


async def test_a_restart_of_the_server_neither_loses_nor_doubles(
    store: Store, board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    await client.export(5)
    for saves in (False, True, False):
        if saves:
            await client.board.rollups.save()
        client.board = Opsboard(store, clock, CountingIds())
        await client.board.rollups.start()
        clock.advance(20 * MINUTE_NS)
        assert await client.export(2) == {}
    assert await total(client.board) == 11


async def test_two_servers_over_one_store_know_what_the_other_counted(
    store: Store, board: Opsboard, clock: ManualClock
) -> None:
    other = Opsboard(store, clock, CountingIds())
    await other.rollups.start()
    client = Client(board, clock)
    for server in (board, other, other, board):
        client.board = server
        assert await client.export(3) == {}
    assert await total(board) == await total(other) == 12


async def test_a_restart_of_the_client_is_a_new_counter(
    board: Opsboard, clock: ManualClock
) -> None:
    await Client(board, clock, b"first-start-of-1").export(5)
    assert await Client(board, clock, b"second-start-of1").export(2) == {}
    assert await total(board) == 7


async def test_what_an_old_counter_counted_before_it_was_met_does_not_count(
    board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    client.counted, client.started = 1_000_000, clock.now() - DAY_NS
    assert await client.export(0) == {STARTED_EARLIER: 1}
    assert await client.export(4) == {}
    assert await total(board) == 4
    unknown = Client(board, clock, b"start-is-unknown")
    unknown.started = 0
    assert await unknown.export(7) == {STARTED_EARLIER: 1}
    assert await unknown.export(1) == {}
    assert await total(board) == 5
    unknown.counted = 0
    assert await unknown.export(2) == {}
    assert await total(board) == 7


async def test_a_counter_that_is_forgotten_is_not_counted_again(
    board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    await client.export(5)
    clock.advance(2 * DAY_NS + 1)
    await board.record_samples([sample(service="other", ended_at=clock.now())])
    await board.rollups.catch_up()
    await board.rollups.save()
    assert len(board.rollups.streams) == 0
    assert await client.export(1) == {STARTED_EARLIER: 1}
    assert await client.export(1) == {}
    assert await total(board) == 7


async def test_a_counter_that_stands_still_for_days_is_not_forgotten(
    board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    await client.export(5)
    for _ in range(30):
        clock.advance(DAY_NS // 4)
        assert await client.export(0) == {}
        await board.rollups.save()
    assert await client.export(2) == {}
    assert await total(board) == 7


async def test_counts_that_fall_without_a_new_start_do_not_count(
    board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    await client.export(5)
    client.counted = 1
    (refused,) = await client.export(0)
    assert refused.startswith("the counter fell or changed its buckets without a new start")
    assert await client.export(3) == {}
    assert await total(board) == 8


async def test_points_that_come_late_are_in_the_newer_one_already(
    board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    clock.advance(MINUTE_NS)
    client.counted = 3
    late = client.point()
    await client.export(4)
    assert await send(board, [late]) == {}
    assert await total(board) == 7


async def test_the_greatest_is_exact_where_it_is_new(board: Opsboard, clock: ManualClock) -> None:
    client = Client(board, clock)
    for count, max_ns, said in ((1, 50_000_000, 50), (2, 50_000_000, 50), (3, 70_000_000, 70)):
        clock.advance(MINUTE_NS)
        client.counted = count
        point = client.point()
        sent = replace(point, histogram=replace(point.histogram, max_ns=max_ns))
        assert await send(board, [sent]) == {}
        assert (await board.metrics(last="30s")).requests[0].max_ms == said


async def test_a_service_counts_by_its_samples_where_it_sends_both(
    board: Opsboard, clock: ManualClock
) -> None:
    client = Client(board, clock)
    observe(board, sample(service="shop", ended_at=clock.now()), sample(service="other"))
    assert await client.export(5) == {TOLD_BY_SAMPLES: 1}
    assert await send(board, [delta(2, clock)]) == {TOLD_BY_SAMPLES: 1}
    assert await send(board, [delta(2, clock, KEY._replace(service="third"))]) == {}
    assert await total(board) == 4
    clock.advance(8 * MINUTE_NS)
    assert await client.export(2) == {}
    assert await total(board) == 6


async def test_spans_of_requests_that_a_histogram_counted_are_known(
    board: Opsboard, clock: ManualClock
) -> None:
    def counted(*ends: int, service: str = "shop") -> list[bool]:
        batch = SampleBatch.of([sample(service=service, ended_at=end) for end in ends])
        return [bool(each) for each in board.histograms.already_counted(batch)]

    assert counted(clock.now()) == [False]
    await send(board, [delta(2, clock)])
    await board.rollups.catch_up()
    now = clock.now()
    ends = (now - 10 * MINUTE_NS, now - 10 * MINUTE_NS + 10**6, now, now + 10**6)
    for _ in range(2):
        assert counted(*ends) == [False, True, True, False]
        assert counted(now, service="other") == [False]
        await board.rollups.save()
        await board.rollups.load()


async def test_series_beyond_the_limit_count_as_other(board: Opsboard, clock: ManualClock) -> None:
    sent = [delta(1, clock, KEY._replace(route=f"/{n}")) for n in range(5)]
    assert await send(board, sent) == {}
    rows = (await board.metrics(service="shop")).requests
    assert {row.route: row.count for row in rows} == {"/0": 1, "/1": 1, "/2": 1, "(other)": 2}


async def test_what_can_not_count_is_refused_by_reason_and_the_rest_is_kept(
    board: Opsboard, clock: ManualClock
) -> None:
    good = delta(1, clock)
    future = replace(good, ended_ns=clock.now() + DAY_NS + 10**6)
    old = replace(good, ended_ns=clock.now() - 8 * DAY_NS)
    wrong = replace(good, histogram=replace(good.histogram, count=2))
    board.samples.max_behind = 7 * DAY_NS
    assert await send(board, [future, wrong, good, wrong, old]) == {
        "must end at most a day ahead of the server's clock": 1,
        "the buckets must add up to the count": 2,
        "must not end before 2026-01-24T09:00:00.000Z": 1,
    }
    assert await total(board) == 1


async def test_no_more_counters_are_kept_than_there_is_room_for(
    board: Opsboard, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_histograms, "MAX_STREAMS", 2)
    clients = [Client(board, clock, b"%016d" % n) for n in range(3)]
    refused = [await client.export(1) for client in clients]
    assert refused == [{}, {}, {"there are more counters than the 2 that are kept": 1}]
    assert await clients[0].export(1) == {}
    assert await total(board) == 3


async def test_large_exports_are_cut_into_entries(
    board: Opsboard, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_histograms, "MAX_ROWS", 3)
    sent = [
        SentHistogram(KEY, clock.now() - 1, clock.now(), histogram(1), b"%016d" % n)
        for n in range(7)
    ]
    assert await send(board, [*sent, delta(1, clock)]) == {}
    assert len(await entries(board.store.journal, Stream.SAMPLES)) == 3
    assert await total(board) == 8
    assert len(board.rollups.streams) == 7


async def test_an_export_whose_acknowledgement_was_lost_counts_once(
    store: Store, clock: ManualClock
) -> None:
    failing = FailingJournal(store.journal)
    board = Opsboard(store, clock, CountingIds())
    await board.rollups.start()
    recorder = record_histograms.HistogramRecorder(
        failing,
        board.samples,
        board.rollups,
        board.series_limit,
        clock,
        intake=board.intake,
    )
    client = Client(board, clock)
    await client.export(5)
    clock.advance(MINUTE_NS)
    client.counted += 2
    sent, key = [client.point(), delta(3, clock)], IdempotencyKey("sent", b"sent")
    for lost in (False, True):
        failing.error, failing.after_appending = StoreUnavailable("no"), lost
        with pytest.raises(StoreUnavailable):
            await recorder.record(sent, key, Counter())
    failing.error = None
    assert await recorder.record(sent, key, Counter()) == {}
    assert await total(board) == 10


async def test_an_export_and_a_backup_take_along_what_was_counted_and_where_counters_stand(
    store: Store, board: Opsboard, clock: ManualClock, tmp_path: Path
) -> None:
    client = Client(board, clock)
    await client.export(5)
    await client.export(2)
    await board.rollups.catch_up()
    await board.rollups.save()
    copies: list[Store] = [MemoryStore(clock)]
    lines = [line async for line in transfer.export(store.journal)]
    async for _ in transfer.restore(copies[0].journal, lines):
        pass
    if isinstance(store, SqliteStore):
        await store.backup(tmp_path / "backup.db")
        copies.append(SqliteStore(tmp_path / "backup.db", clock))
    for copy in copies:
        async with copy.opened():
            client.board = Opsboard(copy, clock, CountingIds())
            await client.board.rollups.start()
            assert await total(client.board) == 7
            await client.export(1)
            assert await total(client.board) == client.counted
            await client.board.rollups.save()
            assert [fault async for fault in verify(copy)] == []
