"""The journal as lists."""

from collections.abc import AsyncIterator, Sequence

from ...application.errors import BrokenChain, IdempotencyClash
from ...application.growth import Growth, follow
from ...application.ports import KEY_LIFETIME_NS, Appended, Clock
from ...domain.entry import (
    CODEC,
    Entry,
    Head,
    IdempotencyKey,
    Recorded,
    Stream,
    append_to,
    first_break,
)

PAGE = 256


class MemoryJournal:
    """Keeps every entry encoded, as a durable store does."""

    def __init__(self, clock: Clock) -> None:
        """Start empty; entries are recorded at the times of `clock`."""
        self._clock = clock
        self._growth = Growth()
        self._entries: dict[Stream, list[Recorded]] = {stream: [] for stream in Stream}
        self._keys: dict[tuple[Stream, str], range] = {}

    async def append(
        self, stream: Stream, entries: Sequence[Entry], key: IdempotencyKey | None = None
    ) -> Appended:
        """See `Journal.append`."""
        now = self._clock.now()
        if key is not None and (first := self._first_use(stream, key, now)) is not None:
            return Appended(first, replayed=True)
        head = await self.head(stream)
        added = append_to(stream, head, map(CODEC.encode, entries), now, key)
        self._extend(stream, added)
        return Appended(range(head.number + 1, head.number + 1 + len(added)))

    def _first_use(self, stream: Stream, key: IdempotencyKey, now: int) -> range | None:
        numbers = self._keys.get((stream, key.name))
        if numbers is None:
            return None
        first = self._entries[stream][numbers[0] - 1]
        if now - first.recorded_at >= KEY_LIFETIME_NS:
            return None
        if first.fingerprint != key.fingerprint:
            raise IdempotencyClash(f"the key {key.name!r} was used for something else")
        return numbers

    def _extend(self, stream: Stream, added: Sequence[Recorded]) -> None:
        for recorded in added:
            if recorded.key is not None:
                self._remember(recorded, recorded.key)
            self._entries[stream].append(recorded)
        if added:
            self._growth.notify()

    def _remember(self, recorded: Recorded, key: str) -> None:
        """Entries of one append follow each other under one key, at one time."""
        start = recorded.number
        known = self._keys.get((recorded.stream, key))
        if known is not None and known.stop == start:
            last = self._entries[recorded.stream][known[-1] - 1]
            start = known.start if last.recorded_at == recorded.recorded_at else start
        self._keys[recorded.stream, key] = range(start, recorded.number + 1)

    async def read(
        self, stream: Stream, after: int = 0, until: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """See `Journal.read`."""
        entries = self._entries[stream]
        end = len(entries) if until is None else min(until, len(entries))
        for start in range(after, end, PAGE):
            yield entries[start : min(start + PAGE, end)]

    def follow(self, stream: Stream, after: int = 0) -> AsyncIterator[Sequence[Recorded]]:
        """See `Journal.follow`."""
        return follow(self, self._growth, stream, after)

    async def head(self, stream: Stream) -> Head:
        """See `Journal.head`."""
        entries = self._entries[stream]
        if not entries:
            return Head()
        return Head(entries[-1].number, entries[-1].hash, entries[-1].recorded_at)

    async def restore(self, entries: Sequence[Recorded]) -> None:
        """See `Journal.restore`."""
        if not entries:
            return
        stream = entries[0].stream
        broken = first_break(await self.head(stream), entries)
        if broken is not None:
            raise BrokenChain(f"{stream} {broken.number} does not follow the entry before it")
        self._extend(stream, entries)

    def newest_first(self, stream: Stream) -> Sequence[Recorded]:
        """Every entry of the stream, the newest first."""
        return self._entries[stream][::-1]

    def at(self, stream: Stream, number: int) -> Recorded | None:
        """The entry with this number."""
        entries = self._entries[stream]
        return entries[number - 1] if 1 <= number <= len(entries) else None
