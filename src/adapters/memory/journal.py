"""The journal as lists."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence

from ...application.errors import BrokenChain, IdempotencyClash
from ...application.growth import Growth, follow
from ...application.ports import KEY_LIFETIME_NS, Appended, Clock
from ...domain.entry import (
    Entry,
    Head,
    IdempotencyKey,
    Recorded,
    Stream,
    append_to,
    first_break,
)
from ..encoding import CODEC

PAGE = 256


class _Log:
    """One stream: its entries, of which those up to the cut are removed."""

    def __init__(self) -> None:
        self.cut = Head()
        self.entries: list[Recorded] = []
        self.keys: dict[str, range] = {}

    @property
    def head(self) -> Head:
        return _head_of(self.entries[-1]) if self.entries else self.cut

    def at(self, number: int) -> Recorded | None:
        place = number - self.cut.number - 1
        return self.entries[place] if 0 <= place < len(self.entries) else None

    def between(self, after: int, until: int) -> Sequence[Recorded]:
        gone = self.cut.number
        return self.entries[max(after - gone, 0) : max(until - gone, 0)]

    def first_use(self, key: IdempotencyKey, now: int) -> range | None:
        numbers = self.keys.get(key.name)
        last = None if numbers is None else self.at(numbers[-1])
        if last is None or now - last.recorded_at >= KEY_LIFETIME_NS:
            return None
        if last.fingerprint != key.fingerprint:
            raise IdempotencyClash(f"the key {key.name!r} was used for something else")
        return numbers

    def extend(self, added: Sequence[Recorded]) -> None:
        for recorded in added:
            if recorded.key is not None:
                self._remember(recorded, recorded.key)
            self.entries.append(recorded)

    def _remember(self, recorded: Recorded, key: str) -> None:
        """Entries of one append follow each other under one key, at one time."""
        start = recorded.number
        known = self.keys.get(key)
        last = None if known is None or known.stop != start else self.at(known[-1])
        if known is not None and last is not None and last.recorded_at == recorded.recorded_at:
            start = known.start
        self.keys[key] = range(start, recorded.number + 1)

    def trim(self, upto: int) -> None:
        last = self.at(upto)
        if last is not None:
            self.entries = self.entries[upto - self.cut.number :]
            self.cut = _head_of(last)
            self.keys = {
                name: range(max(used.start, upto + 1), used.stop)
                for name, used in self.keys.items()
                if used[-1] > upto
            }


def _head_of(recorded: Recorded) -> Head:
    return Head(recorded.number, recorded.hash, recorded.recorded_at)


class MemoryJournal:
    """Keeps every entry encoded, as a durable store does."""

    decode = staticmethod(CODEC.decode_recorded)

    def __init__(self, clock: Clock) -> None:
        """Start empty; entries are recorded at the times of `clock`."""
        self._clock = clock
        self._growth = Growth()
        self._logs = {stream: _Log() for stream in Stream}

    async def append(
        self, stream: Stream, entries: Sequence[Entry], key: IdempotencyKey | None = None
    ) -> Appended:
        """See `Journal.append`."""
        now, log = self._clock.now(), self._logs[stream]
        if key is not None and (first := log.first_use(key, now)) is not None:
            return Appended(first, replayed=True)
        number = log.head.number
        added = append_to(stream, log.head, map(CODEC.encode, entries), now, key)
        self._extend(stream, added)
        return Appended(range(number + 1, number + 1 + len(added)))

    def _extend(self, stream: Stream, added: Sequence[Recorded]) -> None:
        self._logs[stream].extend(added)
        if added:
            self._growth.notify([stream])

    async def read(
        self, stream: Stream, after: int = 0, until: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """See `Journal.read`."""
        log = self._logs[stream]
        entries = log.between(after, log.head.number if until is None else until)
        for start in range(0, len(entries), PAGE):
            yield entries[start : start + PAGE]

    def follow(self, stream: Stream, after: int = 0) -> AsyncIterator[Sequence[Recorded]]:
        """See `Journal.follow`."""
        return follow(self, self._growth, stream, after)

    async def head(self, stream: Stream) -> Head:
        """See `Journal.head`."""
        return self._logs[stream].head

    async def cut(self, stream: Stream) -> Head:
        """See `Journal.cut`."""
        return self._logs[stream].cut

    async def trim(self, stream: Stream, upto: int) -> None:
        """See `Journal.trim`."""
        self._logs[stream].trim(upto)

    async def number_at(self, stream: Stream, moment: int) -> int:
        """See `Journal.number_at`."""
        log = self._logs[stream]
        return log.cut.number + bisect_right(log.entries, moment, key=lambda r: r.recorded_at)

    async def restore(self, entries: Sequence[Recorded]) -> None:
        """See `Journal.restore`."""
        if not entries:
            return
        stream = entries[0].stream
        broken = first_break(self._logs[stream].head, entries)
        if broken is not None:
            raise BrokenChain(f"{stream} {broken.number} does not follow the entry before it")
        self._extend(stream, entries)

    async def restore_cut(self, stream: Stream, cut: Head) -> None:
        """See `Journal.restore_cut`."""
        log = self._logs[stream]
        if log.entries or log.cut not in (Head(), cut):
            raise BrokenChain(f"{stream} is not empty, so it can not start after {cut.number}")
        log.cut = cut

    async def size(self, stream: Stream) -> tuple[int, int]:
        """See `Journal.size`."""
        entries = self._logs[stream].entries
        return len(entries), sum(len(recorded.encoded.payload) for recorded in entries)

    def newest_first(self, stream: Stream) -> Sequence[Recorded]:
        """Every entry of the stream, the newest first."""
        return self._logs[stream].entries[::-1]

    def at(self, stream: Stream, number: int) -> Recorded | None:
        """The entry with this number."""
        return self._logs[stream].at(number)
