"""Proof that the journal is whole and that the read models are what it folds to."""

from collections.abc import AsyncIterator

from ..domain.entry import GENESIS, Stream, UnreadableEntry
from ..domain.event import OperationalEvent, RecordedEvent
from ..domain.metrics import RequestMetrics
from ..domain.sample import SampleBatch
from .ports import Store
from .project import MetricsProjection


async def verify(store: Store) -> AsyncIterator[str]:
    """Each difference found, in words; none where journal, chain and read models agree.

    Recomputes the hash chain of every stream, the saved request metrics and the event index.
    Raises `StoreUnavailable` where the store can not be read.
    """
    for stream in Stream:
        async for fault in _verify_chain(store, stream):
            yield fault
    async for fault in _verify_metrics(store):
        yield fault
    async for fault in _verify_index(store):
        yield fault


async def _verify_chain(store: Store, stream: Stream) -> AsyncIterator[str]:
    number, previous_hash = 0, GENESIS
    head = await store.journal.head(stream)
    async for page in store.journal.read(stream, until=head.number):
        for recorded in page:
            if recorded.number != number + 1:
                yield f"{stream}: entry {number + 1} is missing; the next one is {recorded.number}"
            elif not recorded.follows(previous_hash):
                yield f"{stream} {recorded.number}: the hash does not follow from the entry before"
            try:
                recorded.entry  # noqa: B018
            except UnreadableEntry as error:
                yield f"{stream} {recorded.number}: {error}"
            number, previous_hash = recorded.number, recorded.hash
    if (number, previous_hash) != (head.number, head.hash):
        yield f"{stream}: the head says entry {head.number}, the last one found is {number}"


async def _verify_metrics(store: Store) -> AsyncIterator[str]:
    saved = await store.folds.load(MetricsProjection.NAME)
    if saved is None:
        return
    fold = RequestMetrics()
    number = 0
    async for page in store.journal.read(Stream.SAMPLES, until=saved.checkpoint):
        for recorded in page:
            number = recorded.number
            try:
                entry = recorded.entry
            except UnreadableEntry:
                continue
            if isinstance(entry, SampleBatch):
                fold.evolve(entry)
    if number != saved.checkpoint:
        yield f"request metrics: saved up to entry {saved.checkpoint}, the journal ends at {number}"
    elif fold.dump() != saved.state:
        yield f"request metrics: {_first_difference(fold, saved.state)}"


def _first_difference(fold: RequestMetrics, state: bytes) -> str:
    try:
        stored = RequestMetrics.load(state)
    except ValueError as error:
        return f"the saved fold is damaged: {error}"
    for key in sorted(fold.series.keys() | stored.series.keys()):
        ours, theirs = fold.series.get(key), stored.series.get(key)
        if ours != theirs:
            counts = [0 if h is None else h.count for h in (theirs, ours)]
            return f"{' '.join(map(str, key))}: saved count {counts[0]}, recomputed {counts[1]}"
    return "the saved fold is not encoded as it would be now"


async def _verify_index(store: Store) -> AsyncIterator[str]:
    checkpoint = await store.event_index.checkpoint()
    indexed = store.event_index.indexed()
    async for page in store.journal.read(Stream.EVENTS, until=checkpoint):
        for recorded in page:
            try:
                entry = recorded.entry
            except UnreadableEntry:
                continue
            if isinstance(entry, OperationalEvent):
                expected = (RecordedEvent(recorded.number, entry), entry.words())
                found = await anext(indexed, None)
                if found != expected:
                    yield f"event index: event {recorded.number} is not as the journal has it"
                    return
    for fault in await store.event_index.faults():
        yield f"event index: {fault}"
    if (extra := await anext(indexed, None)) is not None:
        yield f"event index: event {extra[0].id} is not in the journal"
