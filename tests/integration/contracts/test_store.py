"""What any Store must do as a whole: the use cases over it, and its proof."""

import asyncio
import base64

import msgspec
import numpy as np
import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application import transfer
from opsboard.application.board import Opsboard
from opsboard.application.errors import BrokenChain
from opsboard.application.ports import RollupChange, Store, StoredRollup
from opsboard.application.query_events import event_filter
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.instant import NS_PER_MS
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import SampleBatch
from opsboard.domain.tier import Tier

from ...fakes import START_NS, CountingIds, ManualClock, observe, sample


async def fill(board: Opsboard) -> None:
    for n in range(20):
        await board.record_event(f"event number {n}", meta={"n": n}, key=f"k{n}")
        observe(board, sample(ms=n))
        if n % 5 == 0:
            await board.samples.flush()
    await board.samples.flush()
    for projection in board.projections.values():
        await projection.catch_up()
        await projection.save()


@pytest.fixture
async def board(store: Store, clock: ManualClock) -> Opsboard:
    """Over the open store, without its background work."""
    board = Opsboard(store, clock, CountingIds())
    await fill(board)
    return board


async def differences(store: Store) -> list[str]:
    return [difference async for difference in verify(store)]


async def exported(store: Store) -> list[bytes]:
    return [line async for line in transfer.export(store.journal)]


async def test_a_store_takes_writes(store: Store) -> None:
    await store.check_writable()


async def test_a_store_says_how_it_is(store: Store) -> None:
    await store.journal.append(Stream.SAMPLES, [SampleBatch.of([sample()])])
    before = await store.vitals()
    assert before.writes_waiting == 0
    assert before.size_bytes > 0
    batches = [SampleBatch.of([sample(f"/{n}/{m}") for m in range(500)]) for n in range(20)]
    await store.journal.append(Stream.SAMPLES, batches)
    after = await store.vitals()
    assert after.size_bytes > before.size_bytes
    assert after.commits.series.tolist() == before.commits.series.tolist()
    assert all(after.commits.count > before.commits.count)
    assert all(after.commits.sum_ns > before.commits.sum_ns)


async def test_an_untouched_store_verifies(board: Opsboard) -> None:
    assert await differences(board.store) == []
    assert (await board.metrics()).requests_total == 20
    found = await board.event_queries.search(event_filter(q="number 7"))
    assert [event.id for event in found.events] == [8]


MINUTE = START_NS // NS_PER_MS
SERIES = "shop /cart/{id} GET 200"


async def save_instead(board: Opsboard, checkpoint: int, total: int, minute: int) -> None:
    """Save rollups that count other numbers of requests than there were."""
    rollups = board.store.rollups
    state = await rollups.load()
    wrong = [
        Rollups.of(np.zeros(count, np.int64), np.arange(count) * NS_PER_MS)
        for count in (total, minute)
    ]
    change = RollupChange(
        checkpoint=checkpoint,
        total=wrong[0],
        series=state.series,
        rollups=[StoredRollup(Tier.MINUTE, MINUTE, MINUTE, MINUTE, wrong[1])],
    )
    assert await rollups.save(change, expected=state.checkpoint)


@pytest.mark.parametrize(
    ("total", "minute", "said"),
    [
        (20, 20, []),
        (19, 20, [f"the total: {SERIES}: stored count 19, recomputed 20"]),
        (
            20,
            19,
            [
                f"the minute 2026-01-31T09:00:00.000Z: {SERIES}: stored count 19, recomputed 20",
                f"the total: {SERIES}: stored count 20, recomputed 19",
            ],
        ),
    ],
)
async def test_a_wrong_rollup_is_found(
    board: Opsboard, total: int, minute: int, said: list[str]
) -> None:
    await save_instead(board, 5, total, minute)
    assert await differences(board.store) == said


async def test_rollups_of_entries_that_the_journal_does_not_have_are_found(
    board: Opsboard,
) -> None:
    await save_instead(board, 99, 20, 20)
    found = await differences(board.store)
    assert found == ["rollups: saved up to entry 99, the journal ends at 5"]


async def test_a_wrong_index_is_found(board: Opsboard) -> None:
    index = board.store.event_index
    all_of_them = [event async for event, _ in index.indexed(after=0, until=20)]
    await index.clear()
    await index.add(all_of_them[:4] + all_of_them[5:], 20, 0)
    assert await differences(board.store) == ["event index: event 5 is not as the journal has it"]


async def test_an_index_that_knows_more_than_the_journal_is_found(
    board: Opsboard, clock: ManualClock
) -> None:
    event = (await board.event_queries.search(limit=1)).events[0]
    invented = msgspec.structs.replace(event, id=21)
    await board.store.event_index.add([invented], 21, 20)
    found = await differences(board.store)
    assert found == ["event index: event 21 is not in the journal"]


async def test_a_journal_travels_without_loss(board: Opsboard, clock: ManualClock) -> None:
    lines = await exported(board.store)
    assert len(lines) == await transfer.count(board.store.journal) == 25
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    for other in (MemoryStore(clock), board.store):
        for _ in range(2):
            taken = [n async for n in transfer.restore(other.journal, lines)]
            assert taken[-1].imported + taken[-1].present == len(lines)
        assert await exported(other) == lines


async def test_a_cut_off_import_goes_on_where_it_stopped(
    board: Opsboard, clock: ManualClock
) -> None:
    lines = await exported(board.store)
    other = MemoryStore(clock)
    for upto in (3, 11, 12, len(lines)):
        taken = [n async for n in transfer.restore(other.journal, lines[:upto])]
        assert taken[-1].imported + taken[-1].present == upto
    assert await exported(other) == lines


async def test_a_long_journal_is_taken_in_batches(store: Store, clock: ManualClock) -> None:
    origin = Opsboard(MemoryStore(clock), clock, CountingIds())
    await asyncio.gather(*(origin.record_event(str(n)) for n in range(1_200)))
    lines = await exported(origin.store)
    taken = [n async for n in transfer.restore(store.journal, lines)]
    assert [(n.imported, n.present) for n in taken] == [(500, 0), (1_000, 0), (1_200, 0)]
    assert await exported(store) == lines


async def test_a_changed_line_is_refused_and_what_came_before_it_stays(
    store: Store, clock: ManualClock
) -> None:
    origin = Opsboard(MemoryStore(clock), clock, CountingIds())
    await fill(origin)
    lines = await exported(origin.store)
    changed = lines[10].replace(b"event number 5", b"event number 6")
    assert changed != lines[10]
    with pytest.raises(BrokenChain, match=r"line 11: events 6 does not follow"):
        [n async for n in transfer.restore(store.journal, [*lines[:10], changed, *lines[11:]])]
    assert (await store.journal.head(Stream.EVENTS)).number == 5
    assert (await store.journal.head(Stream.SAMPLES)).number == 5


async def test_another_journal_is_not_mixed_in(board: Opsboard, clock: ManualClock) -> None:
    other = Opsboard(MemoryStore(clock), clock, CountingIds())
    for n in range(20):
        await other.record_event(f"quite another number {n}")
    lines = await exported(other.store)
    with pytest.raises(BrokenChain, match="line 1: the store holds another journal"):
        [n async for n in transfer.restore(board.store.journal, lines)]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}",
        b"[]",
        b"\xff",
        b'{"stream":"gossip"}',
        b"not JSON",
        b'{"stream":"events","number":1,"recorded_at":1,"kind":"event","version":1,"payload":{},"hash":"*"}',
    ],
)
async def test_a_line_that_is_no_entry_is_named(store: Store, line: bytes) -> None:
    with pytest.raises(transfer.MalformedExport, match="line 1: is no entry of an export"):
        [n async for n in transfer.restore(store.journal, [line])]


async def test_a_line_says_everything_of_its_entry(board: Opsboard) -> None:
    first = (await exported(board.store))[5]
    line = msgspec.json.decode(first)
    assert line["stream"] == "events"
    assert line["number"] == 1
    assert line["kind"] == "event"
    assert line["payload"]["message"] == "event number 0"
    assert line["key"] == "k0"
    assert len(base64.b64decode(line["hash"])) == len(base64.b64decode(line["fingerprint"])) == 32
