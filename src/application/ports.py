"""What the use cases need of the outside: small Protocols, one contract suite each."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from ..domain.entry import Entry, Head, IdempotencyKey, Recorded, Stream
from ..domain.event import EventFilter, RecordedEvent
from ..domain.sample import RequestSample
from ..domain.summary import EventSummary

KEY_LIFETIME_NS = 24 * 3600 * 1_000_000_000


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> int:
        """The wall clock, in ns since 1970; it may jump."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds since some moment; it never falls."""
        ...


class Ids(Protocol):
    """Where names that are used once come from."""

    def new(self) -> str:
        """A string of 32 hexadecimal digits that no other call returns."""
        ...


class Appended(msgspec.Struct, frozen=True):
    """The numbers that an append gave its entries; `replayed` where an earlier one had the key."""

    numbers: range
    replayed: bool = False


class Journal(Protocol):
    """The append-only log. Every method raises `StoreUnavailable` where the store fails."""

    async def append(
        self, stream: Stream, entries: Sequence[Entry], key: IdempotencyKey | None = None
    ) -> Appended:
        """Record the entries, all or none; returns only when they are durable.

        With a key that was used within 24 hours for the same thing, nothing is recorded and the
        first numbers are given again. Raises `IdempotencyClash` where it was used for something
        else, and `Overloaded` where too much is waiting.
        """
        ...

    def read(
        self, stream: Stream, after: int = 0, until: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        """The entries numbered above `after`, up to and with `until`, in order, page by page."""
        ...

    def follow(self, stream: Stream, after: int = 0) -> AsyncIterator[Sequence[Recorded]]:
        """What `read` gives, then new entries as they come, whichever process appended them."""
        ...

    async def head(self, stream: Stream) -> Head:
        """The end of the stream."""
        ...

    async def restore(self, entries: Sequence[Recorded]) -> None:
        """Append entries of one stream exactly as another journal gave them.

        Raises `BrokenChain` unless they follow the head, number by number and hash by hash.
        """
        ...


class EventIndex(Protocol):
    """The read model of the events stream.

    Its answers hold every event of the journal: what is indexed, and what is not indexed yet.
    """

    async def checkpoint(self) -> int:
        """The number of the newest event in the index."""
        ...

    async def add(self, events: Sequence[RecordedEvent], checkpoint: int, expected: int) -> bool:
        """Index these events and move the checkpoint, as one, if it still is `expected`."""
        ...

    async def clear(self) -> None:
        """Forget the index, which is rebuilt from the journal."""
        ...

    async def search(
        self, wanted: EventFilter, limit: int, before: int | None = None
    ) -> list[RecordedEvent]:
        """At most `limit` events that the filter wants, newest first, with an id below `before`."""
        ...

    async def get(self, id: int) -> RecordedEvent | None:
        """The event with this id."""
        ...

    async def summarise(self, wanted: EventFilter) -> EventSummary:
        """How many events of each kind the filter wants."""
        ...

    def indexed(self) -> AsyncIterator[tuple[RecordedEvent, list[str]]]:
        """All that is in the index, in order, each with the words that it is found by."""
        ...

    async def faults(self) -> list[str]:
        """What is wrong within the index itself, in words; nothing where it is whole."""
        ...


class SavedFold(msgspec.Struct, frozen=True):
    """A fold's state after the entry numbered `checkpoint`."""

    checkpoint: int
    state: bytes


class FoldStore(Protocol):
    """Where folds keep their state between two runs."""

    async def load(self, name: str) -> SavedFold | None:
        """What was saved last under this name."""
        ...

    async def save(self, name: str, saved: SavedFold, expected: int) -> bool:
        """Save state and checkpoint as one, if the checkpoint still is `expected` (0: none)."""
        ...

    async def drop(self, name: str) -> None:
        """Forget what was saved."""
        ...


class Store(Protocol):
    """One place that keeps a journal and its read models."""

    @property
    def journal(self) -> Journal:
        """The log."""
        ...

    @property
    def event_index(self) -> EventIndex:
        """The read model of events."""
        ...

    @property
    def folds(self) -> FoldStore:
        """The saved folds."""
        ...

    def opened(self) -> AbstractAsyncContextManager["Store"]:
        """Open the store for as long as the context lasts. Raises `StoreUnusable`."""
        ...

    async def check_writable(self) -> None:
        """Commit something that changes nothing. Raises `StoreUnavailable`."""
        ...


class SampleSink(Protocol):
    """What the latency middleware hands its samples to; never fails, never waits."""

    def observe(self, sample: RequestSample) -> None:
        """Take one sample."""
        ...
