"""The read models, folded anew from the journal."""

from collections.abc import AsyncIterator

from ..domain.entry import Stream
from .ports import Clock, Store
from .project_errors import GROUPS, ErrorProjection
from .project_events import EventProjection
from .project_samples import SampleProjection

ENTRIES_A_STEP = 1_024


async def rebuild(store: Store, clock: Clock) -> AsyncIterator[tuple[int, int]]:
    """Drop the read models and fold them again; how many entries of how many are folded.

    What retention left only as rollups, or as counts of errors, stays as it is. Each is dropped
    only when its turn comes: until then others answer from it. Cut off, the one that was dropped is
    folded on by whoever has the store open, or opens it next. Raises `StoreUnavailable`.
    """
    await store.rollups.clear()
    samples = SampleProjection(store.journal, store.rollups, clock)
    await samples.load()
    start = samples.checkpoint
    total = await samples.lag() + (await store.journal.head(Stream.EVENTS)).number
    yield 0, total
    more = True
    while more:
        more = await samples.advance(ENTRIES_A_STEP)
        await samples.save()
        yield samples.checkpoint - start, total
    await store.event_index.clear()
    await EventProjection(store.journal, store.event_index).catch_up()
    await store.folds.clear(GROUPS)
    errors = ErrorProjection(store.journal, store.folds, clock)
    await errors.start()
    await errors.catch_up()
    await errors.save()
    yield total, total
