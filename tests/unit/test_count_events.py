from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard
from opsboard.application.count_events import EventCounts
from opsboard.domain.entry import Stream
from opsboard.domain.event import OperationalEvent, RecordedEvent

from ..fakes import START_NS, CountingIds, ManualClock

AUDIT = ("WARN", "AUDIT")
OPS = ("INFO", "OPS")


def event(level: str, type_: str) -> OperationalEvent:
    return OperationalEvent.say(
        ts=START_NS, level=level, type=type_, service="api", message="hi", meta=None
    )


async def append(memory: MemoryStore, *kinds: tuple[str, str]) -> None:
    await memory.journal.append(Stream.EVENTS, [event(*kind) for kind in kinds])


async def test_what_comes_after_the_start_is_counted_once(memory: MemoryStore) -> None:
    await append(memory, OPS)
    counts = EventCounts(memory.journal)
    await counts.start()
    assert counts.counts.total() == 0
    assert counts.counts.keys() >= {OPS, AUDIT, ("FATAL", "DEPLOY")}
    await append(memory, AUDIT, OPS, ("ERROR", "MINE"))
    counts.take([RecordedEvent(2, event(*AUDIT))], 2, 2)
    await counts.catch_up()
    counts.take([RecordedEvent(3, event(*OPS))], 3, 3)
    await counts.catch_up()
    assert {kind: count for kind, count in counts.counts.items() if count} == {
        AUDIT: 1,
        OPS: 1,
        ("ERROR", "MINE"): 1,
    }


async def test_what_is_brought_too_early_is_read_in_its_turn(memory: MemoryStore) -> None:
    counts = EventCounts(memory.journal)
    await append(memory, AUDIT, OPS)
    counts.take([RecordedEvent(2, event(*OPS))], 2, 2)
    assert counts.counts[OPS] == 0
    await counts.catch_up()
    assert (counts.counts[OPS], counts.counts[AUDIT]) == (1, 1)


async def test_removed_entries_do_not_stop_the_count(memory: MemoryStore) -> None:
    counts = EventCounts(memory.journal)
    await append(memory, AUDIT, AUDIT, OPS)
    await memory.journal.trim(Stream.EVENTS, 2)
    await counts.catch_up()
    assert (counts.counts[OPS], counts.counts[AUDIT]) == (1, 0)


async def test_a_counter_does_not_fall_where_events_are_removed(
    memory: MemoryStore, clock: ManualClock
) -> None:
    async with Opsboard(memory, clock, CountingIds()) as board:
        await board.record_event("one")
        await board.projections["event_index"].catch_up()
        assert (await board.vitals.now()).events[OPS] == 1
        await memory.journal.trim(Stream.EVENTS, 1)
        await memory.event_index.trim(1)
        assert (await board.vitals.now()).events[OPS] == 1
        assert (await board.event_queries.summarise()).by_type == {}
