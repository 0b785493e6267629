"""What a store holds, and what it takes to hold it."""

import msgspec

from ..domain.entry import Stream
from .ports import Store


class StreamStatistics(msgspec.Struct, frozen=True):
    """One stream: the entries that are kept, their payloads' bytes, and when they were recorded.

    `first` and `last` are numbers; `recorded_from` and `recorded_to` are ns since 1970, 0 if empty.
    """

    stream: Stream
    entries: int
    payload_bytes: int
    first: int
    last: int
    recorded_from: int
    recorded_to: int
    lag: int


class Statistics(msgspec.Struct, frozen=True):
    """A store: its streams, its samples, and its rollups as (count, bytes) by tier."""

    streams: list[StreamStatistics]
    samples: int
    series: int
    rollups: dict[str, tuple[int, int]]


async def statistics(store: Store) -> Statistics:
    """What the store holds now. Raises `StoreUnavailable`."""
    state = await store.rollups.load()
    checkpoints = {
        Stream.SAMPLES: state.checkpoint,
        Stream.EVENTS: await store.event_index.checkpoint(),
    }
    return Statistics(
        streams=[await _of_stream(store, stream, checkpoints.get(stream)) for stream in Stream],
        samples=0 if state.total is None else int(state.total.count.sum()),
        series=len(state.series),
        rollups=dict(await store.rollups.size()),
    )


async def _of_stream(store: Store, stream: Stream, checkpoint: int | None) -> StreamStatistics:
    cut, head = await store.journal.cut(stream), await store.journal.head(stream)
    entries, payload_bytes = await store.journal.size(stream)
    first = 0
    async for page in store.journal.read(stream, cut.number, cut.number + 1):
        first = page[0].recorded_at
    return StreamStatistics(
        stream=stream,
        entries=entries,
        payload_bytes=payload_bytes,
        first=cut.number + 1,
        last=head.number,
        recorded_from=first,
        recorded_to=head.recorded_at if entries else 0,
        lag=0 if checkpoint is None else head.number - max(checkpoint, cut.number),
    )
