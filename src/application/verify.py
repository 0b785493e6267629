"""Proof that the journal is whole and that the read models are what it folds to."""

from collections.abc import AsyncIterator

from ..domain.entry import Stream, UnreadableEntry
from ..domain.event import OperationalEvent, RecordedEvent
from .ports import Store
from .readable import readable
from .verify_rollups import verify_rollups


async def verify(store: Store) -> AsyncIterator[str]:
    """Each difference found, in words; none where journal, chain and read models agree.

    Recomputes the hash chain of every stream from where retention cut it, every rollup whose
    samples or finer rollups are kept, and the event index. What other processes append meanwhile
    is left for the next time. Raises `StoreUnavailable` where the store can not be read.
    """
    for stream in Stream:
        async for fault in _verify_chain(store, stream):
            yield fault
    async for fault in verify_rollups(store):
        yield fault
    async for fault in _verify_index(store):
        yield fault


async def _verify_chain(store: Store, stream: Stream) -> AsyncIterator[str]:
    journal = store.journal
    cut = await journal.cut(stream)
    number, previous_hash = cut.number, cut.hash
    head = await journal.head(stream)
    async for page in journal.read(stream, after=number, until=head.number):
        for recorded in page:
            if recorded.number != number + 1:
                yield f"{stream}: entry {number + 1} is missing; the next one is {recorded.number}"
            elif not recorded.follows(previous_hash):
                yield f"{stream} {recorded.number}: the hash does not follow from the entry before"
            try:
                journal.decode(recorded)
            except UnreadableEntry as error:
                yield f"{stream} {recorded.number}: {error}"
            number, previous_hash = recorded.number, recorded.hash
    if (number, previous_hash) != (head.number, head.hash):
        yield f"{stream}: the head says entry {head.number}, the last one found is {number}"


async def _verify_index(store: Store) -> AsyncIterator[str]:
    checkpoint = await store.event_index.checkpoint()
    cut = await store.journal.cut(Stream.EVENTS)
    indexed = store.event_index.indexed(cut.number, checkpoint)
    async for page in store.journal.read(Stream.EVENTS, after=cut.number, until=checkpoint):
        for number, event in readable(store.journal, page, OperationalEvent):
            if await anext(indexed, None) != (RecordedEvent(number, event), event.words()):
                yield f"event index: event {number} is not as the journal has it"
                return
    for fault in await store.event_index.faults():
        yield f"event index: {fault}"
    if (extra := await anext(indexed, None)) is not None:
        yield f"event index: event {extra[0].id} is not in the journal"
