"""What any Journal must do; runs unchanged on every store."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.errors import BrokenChain, IdempotencyClash
from opsboard.application.ports import KEY_LIFETIME_NS, Journal, Store
from opsboard.domain.entry import Entry, Head, IdempotencyKey, Recorded, Stream, first_break
from opsboard.domain.event import OperationalEvent
from opsboard.domain.sample import SampleBatch

from ...fakes import SECOND_NS, START_NS, ManualClock, entries, sample


@pytest.fixture
def journal(store: Store) -> Journal:
    return store.journal


def event(message: str = "hi") -> OperationalEvent:
    return OperationalEvent.say(ts=START_NS, level="INFO", type="OPS", message=message)


def events(*messages: str) -> list[Entry]:
    return [event(message) for message in messages]


async def messages(journal: Journal, after: int = 0) -> list[str]:
    recorded = await entries(journal, Stream.EVENTS, after)
    return [e.message for e in map(journal.decode, recorded) if isinstance(e, OperationalEvent)]


async def test_an_empty_stream(journal: Journal) -> None:
    assert await journal.head(Stream.EVENTS) == Head()
    assert await entries(journal, Stream.EVENTS) == []


async def test_numbers_count_from_one_without_gaps_in_each_stream(journal: Journal) -> None:
    assert (await journal.append(Stream.EVENTS, events("a", "b"))).numbers == range(1, 3)
    samples = [SampleBatch.of([sample()])]
    assert (await journal.append(Stream.SAMPLES, samples)).numbers == range(1, 2)
    assert (await journal.append(Stream.EVENTS, events("c"))).numbers == range(3, 4)
    assert [r.number for r in await entries(journal, Stream.EVENTS)] == [1, 2, 3]
    (batch,) = await entries(journal, Stream.SAMPLES)
    assert journal.decode(batch) == samples[0]


async def test_concurrent_appends_leave_no_gap_and_lose_nothing(journal: Journal) -> None:
    said = [str(n) for n in range(500)]
    appended = await asyncio.gather(*(journal.append(Stream.EVENTS, events(m)) for m in said))
    assert sorted(a.numbers[0] for a in appended) == list(range(1, 501))
    kept = await messages(journal)
    for message, given in zip(said, appended, strict=True):
        assert kept[given.numbers[0] - 1] == message


async def test_read_gives_what_lies_between(journal: Journal) -> None:
    await journal.append(Stream.EVENTS, events(*(str(n) for n in range(1, 701))))
    for after, until in ((0, None), (0, 3), (255, 257), (699, None), (700, None), (5, 5), (9, 3)):
        pages = [page async for page in journal.read(Stream.EVENTS, after, until)]
        numbers = [r.number for page in pages for r in page]
        assert numbers == list(range(after + 1, min(until or 700, 700) + 1))
        assert all(pages)


async def test_entries_are_chained_and_timed(journal: Journal, clock: ManualClock) -> None:
    await journal.append(Stream.EVENTS, events("a", "b"))
    clock.advance(SECOND_NS)
    await journal.append(Stream.EVENTS, events("c"))
    clock.advance(-5 * SECOND_NS)
    await journal.append(Stream.EVENTS, events("d"))
    recorded = await entries(journal, Stream.EVENTS)
    assert first_break(Head(), recorded) is None
    later = START_NS + SECOND_NS
    assert [r.recorded_at for r in recorded] == [START_NS, START_NS, later, later]
    newest = recorded[-1]
    assert await journal.head(Stream.EVENTS) == Head(4, newest.hash, newest.recorded_at)


KEY = IdempotencyKey("k", b"one")


async def test_a_key_makes_an_append_idempotent(journal: Journal, clock: ManualClock) -> None:
    first = await journal.append(Stream.EVENTS, events("a", "b"), KEY)
    clock.advance(KEY_LIFETIME_NS - 1)
    again = await journal.append(Stream.EVENTS, events("a", "b"), KEY)
    assert (first.numbers, first.replayed) == (range(1, 3), False)
    assert (again.numbers, again.replayed) == (range(1, 3), True)
    assert await messages(journal) == ["a", "b"]


async def test_concurrent_retries_record_once(journal: Journal) -> None:
    appended = await asyncio.gather(
        *(journal.append(Stream.EVENTS, events("a"), KEY) for _ in range(20))
    )
    assert {a.numbers for a in appended} == {range(1, 2)}
    assert sum(not a.replayed for a in appended) == 1
    assert await messages(journal) == ["a"]


async def test_a_key_for_something_else_is_a_clash(journal: Journal) -> None:
    await journal.append(Stream.EVENTS, events("a"), KEY)
    with pytest.raises(IdempotencyClash, match="'k'"):
        await journal.append(Stream.EVENTS, events("b"), IdempotencyKey("k", b"two"))
    assert await messages(journal) == ["a"]


async def test_a_clash_does_not_harm_its_neighbours(journal: Journal) -> None:
    await journal.append(Stream.EVENTS, events("a"), KEY)
    clash = IdempotencyKey("k", b"two")
    outcomes = await asyncio.gather(
        journal.append(Stream.EVENTS, events("b")),
        journal.append(Stream.EVENTS, events("c"), clash),
        journal.append(Stream.EVENTS, events("d")),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], IdempotencyClash)
    assert await messages(journal) == ["a", "b", "d"]


async def test_keys_belong_to_their_stream(journal: Journal) -> None:
    await journal.append(Stream.EVENTS, events("a"), KEY)
    other = IdempotencyKey("k", b"two")
    batch = SampleBatch.of([sample()])
    assert not (await journal.append(Stream.SAMPLES, [batch], other)).replayed


async def test_a_key_is_forgotten_after_a_day(journal: Journal, clock: ManualClock) -> None:
    await journal.append(Stream.EVENTS, events("a"), KEY)
    clock.advance(KEY_LIFETIME_NS)
    again = await journal.append(Stream.EVENTS, events("b"), IdempotencyKey("k", b"two"))
    assert (again.numbers, again.replayed) == (range(2, 3), False)
    replay = await journal.append(Stream.EVENTS, events("b"), IdempotencyKey("k", b"two"))
    assert (replay.numbers, replay.replayed) == (range(2, 3), True)


async def test_follow_gives_what_is_there_and_then_what_comes(journal: Journal) -> None:
    await journal.append(Stream.EVENTS, events("a", "b"))
    following: AsyncIterator[Sequence[Recorded]] = journal.follow(Stream.EVENTS, 1)
    seen = [r.number for r in await anext(following)]
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    assert not coming.done()
    await journal.append(Stream.SAMPLES, [SampleBatch.of([sample()])])
    await journal.append(Stream.EVENTS, events("c"))
    seen += [r.number for r in await coming]
    assert seen == [2, 3]


async def test_restore_takes_entries_as_they_are(journal: Journal, clock: ManualClock) -> None:
    await journal.append(Stream.EVENTS, events("a"), KEY)
    await journal.append(Stream.EVENTS, events("b"))
    exported = await entries(journal, Stream.EVENTS)
    await journal.restore([])
    with pytest.raises(BrokenChain, match="events 1"):
        await journal.restore(exported)
    await journal.append(Stream.EVENTS, events("c"))
    assert (await journal.head(Stream.EVENTS)).number == 3


async def test_a_restored_key_is_known(store: Store, clock: ManualClock) -> None:
    origin = MemoryStore(clock).journal
    await origin.append(Stream.EVENTS, events("a"), KEY)
    await origin.append(Stream.EVENTS, events("b", "c"))
    exported = await entries(origin, Stream.EVENTS)
    await store.journal.restore(exported[:1])
    await store.journal.restore(exported[1:])
    assert await entries(store.journal, Stream.EVENTS) == exported
    assert (await store.journal.append(Stream.EVENTS, events("a"), KEY)).replayed
    assert (await store.journal.append(Stream.EVENTS, events("d"))).numbers == range(4, 5)


async def test_a_changed_or_missing_entry_is_not_restored(store: Store, clock: ManualClock) -> None:
    origin = MemoryStore(clock).journal
    await origin.append(Stream.EVENTS, events("a", "b", "c"))
    first, second, third = await entries(origin, Stream.EVENTS)
    changed = msgspec.structs.replace(second, recorded_at=second.recorded_at + 1)
    for broken in ([first, changed, third], [first, third]):
        with pytest.raises(BrokenChain):
            await store.journal.restore(broken)
        assert await store.journal.head(Stream.EVENTS) == Head()


async def spaced(journal: Journal, clock: ManualClock, count: int = 6) -> list[Recorded]:
    """Entries "1", "2" ... recorded a second apart."""
    for number in range(1, count + 1):
        await journal.append(Stream.EVENTS, events(str(number)))
        clock.advance(SECOND_NS)
    return await entries(journal, Stream.EVENTS)


def head_at(recorded: Recorded) -> Head:
    return Head(recorded.number, recorded.hash, recorded.recorded_at)


async def test_nothing_was_cut_from_a_new_stream(journal: Journal) -> None:
    assert await journal.cut(Stream.EVENTS) == Head()
    await journal.append(Stream.EVENTS, events("a"))
    assert await journal.cut(Stream.EVENTS) == Head()


async def test_trimming_removes_the_oldest_and_keeps_where_the_chain_goes_on(
    journal: Journal, clock: ManualClock
) -> None:
    recorded = await spaced(journal, clock)
    await journal.append(Stream.SAMPLES, [SampleBatch.of([sample()])])
    head = await journal.head(Stream.EVENTS)
    for upto in (2, 5):
        await journal.trim(Stream.EVENTS, upto)
        cut = await journal.cut(Stream.EVENTS)
        assert cut == head_at(recorded[upto - 1])
        left = await entries(journal, Stream.EVENTS)
        assert left == recorded[upto:]
        assert first_break(cut, left) is None
        assert await journal.head(Stream.EVENTS) == head
    assert await journal.cut(Stream.SAMPLES) == Head()
    assert len(await entries(journal, Stream.SAMPLES)) == 1


@pytest.mark.parametrize("upto", [0, 1, 2, 7, 99])
async def test_trimming_what_is_gone_or_not_there_yet_removes_nothing(
    journal: Journal, clock: ManualClock, upto: int
) -> None:
    recorded = await spaced(journal, clock)
    await journal.trim(Stream.EVENTS, 2)
    await journal.trim(Stream.EVENTS, upto)
    assert await journal.cut(Stream.EVENTS) == head_at(recorded[1])
    assert await entries(journal, Stream.EVENTS) == recorded[2:]


async def test_a_stream_goes_on_after_everything_was_trimmed(
    journal: Journal, clock: ManualClock
) -> None:
    recorded = await spaced(journal, clock)
    await journal.trim(Stream.EVENTS, 6)
    assert await entries(journal, Stream.EVENTS) == []
    assert await journal.head(Stream.EVENTS) == await journal.cut(Stream.EVENTS)
    assert (await journal.append(Stream.EVENTS, events("7"))).numbers == range(7, 8)
    (seventh,) = await entries(journal, Stream.EVENTS)
    assert seventh.follows(recorded[-1].hash)


async def test_reading_from_before_the_cut_starts_behind_it(
    journal: Journal, clock: ManualClock
) -> None:
    recorded = await spaced(journal, clock)
    await journal.trim(Stream.EVENTS, 3)
    for after in (0, 2, 3):
        assert await entries(journal, Stream.EVENTS, after) == recorded[3:]
    assert [page async for page in journal.read(Stream.EVENTS, 0, 3)] == []
    (page,) = [page async for page in journal.read(Stream.EVENTS, 0, 4)]
    assert list(page) == recorded[3:4]
    following: AsyncIterator[Sequence[Recorded]] = journal.follow(Stream.EVENTS)
    assert list(await anext(following)) == recorded[3:]


async def test_a_key_goes_with_its_entry(journal: Journal) -> None:
    await journal.append(Stream.EVENTS, events("a"), KEY)
    await journal.append(Stream.EVENTS, events("b"))
    await journal.trim(Stream.EVENTS, 1)
    again = await journal.append(Stream.EVENTS, events("c"), IdempotencyKey("k", b"two"))
    assert (again.numbers, again.replayed) == (range(3, 4), False)


async def test_the_number_at_a_moment_is_that_of_the_last_entry_by_then(
    journal: Journal, clock: ManualClock
) -> None:
    assert await journal.number_at(Stream.EVENTS, START_NS) == 0
    await journal.append(Stream.EVENTS, events("1", "2"))
    clock.advance(SECOND_NS)
    await journal.append(Stream.EVENTS, events("3"))
    clock.advance(-SECOND_NS)
    await journal.append(Stream.EVENTS, events("4"))
    clock.advance(5 * SECOND_NS)
    await journal.append(Stream.EVENTS, events("5"))
    for moment, number in (
        (0, 0),
        (START_NS - 1, 0),
        (START_NS, 2),
        (START_NS + SECOND_NS - 1, 2),
        (START_NS + SECOND_NS, 4),
        (START_NS + 5 * SECOND_NS - 1, 4),
        (START_NS + 5 * SECOND_NS, 5),
        (2**62, 5),
    ):
        assert await journal.number_at(Stream.EVENTS, moment) == number
    assert await journal.number_at(Stream.SAMPLES, 2**62) == 0


async def test_the_number_at_a_moment_before_the_cut_is_the_cuts(
    journal: Journal, clock: ManualClock
) -> None:
    recorded = await spaced(journal, clock)
    await journal.trim(Stream.EVENTS, 3)
    assert await journal.number_at(Stream.EVENTS, 0) == 3
    assert [await journal.number_at(Stream.EVENTS, each.recorded_at) for each in recorded[2:]] == [
        3,
        4,
        5,
        6,
    ]
    await journal.trim(Stream.EVENTS, 6)
    assert await journal.number_at(Stream.EVENTS, 0) == 6


async def test_the_size_is_of_what_is_left(journal: Journal, clock: ManualClock) -> None:
    assert await journal.size(Stream.EVENTS) == (0, 0)
    recorded = await spaced(journal, clock)
    payloads = [len(each.encoded.payload) for each in recorded]
    assert await journal.size(Stream.EVENTS) == (6, sum(payloads))
    await journal.trim(Stream.EVENTS, 4)
    assert await journal.size(Stream.EVENTS) == (2, sum(payloads[4:]))


async def test_a_trimmed_stream_is_restored_from_its_cut(store: Store, clock: ManualClock) -> None:
    origin = MemoryStore(clock).journal
    await spaced(origin, clock)
    await origin.trim(Stream.EVENTS, 4)
    cut, left = await origin.cut(Stream.EVENTS), await entries(origin, Stream.EVENTS)
    with pytest.raises(BrokenChain, match="events 5"):
        await store.journal.restore(left)
    for _ in range(2):
        await store.journal.restore_cut(Stream.EVENTS, cut)
    assert await store.journal.cut(Stream.EVENTS) == cut
    assert await store.journal.head(Stream.EVENTS) == cut
    await store.journal.restore(left)
    assert await entries(store.journal, Stream.EVENTS) == left
    assert await store.journal.head(Stream.EVENTS) == await origin.head(Stream.EVENTS)
    assert (await store.journal.append(Stream.EVENTS, events("7"))).numbers == range(7, 8)


async def test_a_stream_that_is_not_empty_does_not_start_elsewhere(
    journal: Journal, clock: ManualClock
) -> None:
    (recorded,) = await spaced(journal, clock, 1)
    for cut in (Head(4, bytes(32), START_NS), Head(1, bytes(32), START_NS)):
        with pytest.raises(BrokenChain, match="events is not empty"):
            await journal.restore_cut(Stream.EVENTS, cut)
    assert await entries(journal, Stream.EVENTS) == [recorded]
    assert await journal.cut(Stream.EVENTS) == Head()


async def test_a_stream_that_is_at_the_cut_but_has_entries_keeps_them(
    journal: Journal, clock: ManualClock
) -> None:
    """A cut is refused where entries would lie before it."""
    recorded = await spaced(journal, clock, 3)
    with pytest.raises(BrokenChain, match="events is not empty"):
        await journal.restore_cut(Stream.EVENTS, head_at(recorded[-1]))
    assert await entries(journal, Stream.EVENTS) == recorded
    assert await journal.cut(Stream.EVENTS) == Head()
