"""Proof that the journal is whole and that the read models are what it folds to."""

from collections.abc import AsyncIterator, Iterator

from ..domain.entry import Head, Recorded, Stream, UnreadableEntry
from ..domain.event import OperationalEvent, RecordedEvent
from .errors import StoreUnavailable
from .ports import Journal, Store
from .project_errors import GROUPS, SETTLED, decode_groups, fold_between
from .readable import readable
from .verify_rollups import verify_rollups


async def verify(store: Store) -> AsyncIterator[str]:
    """Each difference found, in words; none where journal, chain and read models agree.

    Looks at the store itself, then recomputes the hash chain of every stream from where retention
    cut it, every rollup whose samples or finer rollups are kept, the event index, and the error
    groups. What other processes append meanwhile is left for the next time. What can not be read is
    a difference too.
    """
    checks = [
        ("store", _verify_store(store)),
        *((stream.value, _verify_chain(store, stream)) for stream in Stream),
        ("rollups", verify_rollups(store)),
        ("event index", _verify_index(store)),
        ("error groups", _verify_errors(store)),
    ]
    for what, check in checks:
        async for fault in _or_what_it_can_not_read(what, check):
            yield fault


async def _or_what_it_can_not_read(what: str, check: AsyncIterator[str]) -> AsyncIterator[str]:
    """What a check finds. Where bytes are damaged, what is read may be of any type."""
    try:
        async for fault in check:
            yield fault
    except (StoreUnavailable, TypeError, ValueError, LookupError) as error:
        yield f"{what}: can not be read: {error}"


async def _verify_store(store: Store) -> AsyncIterator[str]:
    for fault in await store.faults():
        yield f"store: {fault}"


async def _verify_chain(store: Store, stream: Stream) -> AsyncIterator[str]:
    """Each fault of a chain; what retention removes meanwhile is none."""
    journal = store.journal
    before, head = await journal.cut(stream), await journal.head(stream)
    async for page in journal.read(stream, before.number, head.number):
        for recorded in page:
            if recorded.number != before.number + 1:
                before = max(before, await journal.cut(stream), key=lambda place: place.number)
            if recorded.number > before.number:
                for fault in _faults(journal, before, recorded):
                    yield f"{stream}{fault}"
                before = Head(recorded.number, recorded.hash)
    before = max(before, await journal.cut(stream), key=lambda place: place.number)
    if before.number < head.number or (before.number == head.number and before.hash != head.hash):
        yield f"{stream}: the head says entry {head.number}, the last one found is {before.number}"


def _faults(journal: Journal, before: Head, recorded: Recorded) -> Iterator[str]:
    """What is wrong with an entry that comes after that one."""
    if recorded.number != before.number + 1:
        yield f": entry {before.number + 1} is missing; the next one is {recorded.number}"
    elif not recorded.follows(before.hash):
        yield f" {recorded.number}: the hash does not follow from the entry before"
    try:
        journal.decode(recorded)
    except UnreadableEntry as error:
        yield f" {recorded.number}: {error}"


async def _verify_index(store: Store) -> AsyncIterator[str]:
    cut = await store.journal.cut(Stream.EVENTS)
    fault = await _index_fault(store, cut.number)
    while fault and (moved := await store.journal.cut(Stream.EVENTS)).number > cut.number:
        cut = moved
        fault = await _index_fault(store, cut.number)
    if fault:
        yield f"event index: {fault}"
    for fault in await store.event_index.faults():
        yield f"event index: {fault}"


async def _index_fault(store: Store, after: int) -> str | None:
    """The first event after this one that is not alike in the index and the journal."""
    checkpoint = await store.event_index.checkpoint()
    indexed = store.event_index.indexed(after, checkpoint)
    async for page in store.journal.read(Stream.EVENTS, after, checkpoint):
        for number, event in readable(store.journal, page, OperationalEvent):
            if await anext(indexed, None) != (RecordedEvent(number, event), event.words()):
                return f"event {number} is not as the journal has it"
    if (extra := await anext(indexed, None)) is not None:
        return f"event {extra[0].id} is not in the journal"
    return None


async def _verify_errors(store: Store) -> AsyncIterator[str]:
    """Each group that is not what is settled of it and the events after that fold to."""
    saved, settled = await store.folds.load(GROUPS), await store.folds.load(SETTLED)
    groups = decode_groups(saved)
    for name, whole in ((GROUPS, groups), (SETTLED, decode_groups(settled))):
        if whole is None:
            yield f"error groups: what is saved as {name} is damaged or of another version"
    folded = await fold_between(store.journal, settled, saved.checkpoint)
    cut = (await store.journal.cut(Stream.EVENTS)).number
    if groups is None or not cut <= settled.checkpoint <= saved.checkpoint:
        return
    if (groups.merged, groups.other) != (folded.merged, folded.other):
        yield "error groups: (other) is not what the journal folds to"
    for name in sorted(groups.groups.keys() | folded.groups.keys()):
        if groups.groups.get(name) != folded.groups.get(name):
            yield f"error groups: {name} is not what the journal folds to"
