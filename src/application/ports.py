"""What the use cases need of the outside: small Protocols, one contract suite each."""

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from ..domain.cumulative import CumulativePoint
from ..domain.entry import Entry, Head, IdempotencyKey, Recorded, Stream
from ..domain.event import EventFilter, RecordedEvent
from ..domain.rollup import Rollups
from ..domain.series import SeriesSeen
from ..domain.summary import EventSummary
from ..domain.tier import EVER, Tier, Window

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

    async def cut(self, stream: Stream) -> Head:
        """The last entry that was removed: the chain of those that are left starts from it."""
        ...

    async def trim(self, stream: Stream, upto: int) -> None:
        """Remove the entries up to and with this number, and keep the number and hash of the last.

        Nothing is removed where the cut lies there already, or `upto` is past the head.
        """
        ...

    async def number_at(self, stream: Stream, moment: int) -> int:
        """The number of the last entry recorded at or before a moment (ns); at least the cut's."""
        ...

    async def size(self, stream: Stream) -> tuple[int, int]:
        """How many entries the stream holds, and how many bytes their payloads have."""
        ...

    def decode(self, recorded: Recorded) -> Entry:
        """The entry in a place. Raises `UnreadableEntry`."""
        ...

    async def restore(self, entries: Sequence[Recorded]) -> None:
        """Append entries of one stream exactly as another journal gave them.

        Raises `BrokenChain` unless they follow the head, number by number and hash by hash.
        """
        ...

    async def restore_cut(self, stream: Stream, cut: Head) -> None:
        """Start an empty stream at another journal's cut. Raises `BrokenChain` where it is not."""
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

    async def trim(self, upto: int) -> None:
        """Forget the events up to this id."""
        ...

    async def clear(self) -> None:
        """Forget the index, to index the entries that the journal still has."""
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

    def indexed(self, after: int, until: int) -> AsyncIterator[tuple[RecordedEvent, list[str]]]:
        """What the index has of ids in (after, until], each with the words that it is found by."""
        ...

    async def faults(self) -> list[str]:
        """What is wrong within the index itself, in words; nothing where it is whole."""
        ...


class StoredRollup(msgspec.Struct, frozen=True):
    """What was rolled up of one minute, hour or day: its start, and its first and last sample.

    Times are ms since 1970.
    """

    tier: Tier
    start_ms: int
    first_ms: int
    last_ms: int
    rollups: Rollups

    @property
    def name(self) -> Hashable:
        """See `CoveringRollup.name`; these very columns stand for themselves."""
        return self


class CoveringRollup(Protocol):
    """A stored rollup that lies within a window: of an hour or day, it may be large."""

    @property
    def tier(self) -> Tier:
        """Which span it is of."""
        ...

    @property
    def start_ms(self) -> int:
        """Where that span starts."""
        ...

    @property
    def name(self) -> Hashable:
        """Stands for its content: what has the same name counts the same."""
        ...

    @property
    def rollups(self) -> Rollups:
        """What it counts, unpacked each time. Raises `StoreUnavailable` where it is damaged."""
        ...


class RollupState(msgspec.Struct, frozen=True):
    """Where a rollup store stands after the entry numbered `checkpoint`.

    `total` is of all samples ever folded, `expired` of those whose rollups retention removed.
    It is None where it has to be summed up anew. Entries up to `settled_upto` count in the rollups
    and are needed no more. `unclosed` are the hours and days that have finer rollups, and none of
    their own yet. `streams` is what others' counters stood at last.
    """

    checkpoint: int = 0
    settled_upto: int = 0
    total: Rollups | None = None
    expired: Rollups = Rollups.none()
    series: Sequence[SeriesSeen] = ()
    streams: Sequence[CumulativePoint] = ()
    unclosed: Sequence[tuple[Tier, int]] = ()


class RollupChange(msgspec.Struct, frozen=True):
    """What folding the entries up to `checkpoint` changes.

    `rollups` are stored in the place of those that had the same tier and start; `settled` are kept
    as by `RollupStore.settle`, where entries up to `settled_upto` are settled. `minutes` says in
    which minutes (their starts in ms) each of the new entries has samples: (minute, number).
    `streams` is None where they are as they were saved last.
    """

    checkpoint: int
    total: Rollups
    series: Sequence[SeriesSeen]
    rollups: Sequence[StoredRollup]
    settled: Sequence[StoredRollup] = ()
    settled_upto: int = 0
    minutes: Sequence[tuple[int, int]] = ()
    streams: Sequence[CumulativePoint] | None = None


class Coverage(msgspec.Struct, frozen=True):
    """What a rollup store has for a window: rollups that lie within it and do not overlap.

    `partial` are the minutes (starts in ms) that lie within it only in part, or hold entries past
    the number asked for: they are to be folded from `entries`, the numbers of those that have
    samples in them. `rollups` are the coarsest first.
    """

    checkpoint: int
    rollups: list[CoveringRollup]
    partial: Sequence[int]
    entries: Sequence[int]


class RollupStore(Protocol):
    """The read model of the samples stream. Every method raises `StoreUnavailable`.

    A rollup that is damaged raises it too, by name: a wrong number is worse than none.
    """

    async def load(self) -> RollupState:
        """Where it stands."""
        ...

    async def save(self, change: RollupChange, expected: int) -> bool:
        """Save everything as one, if the checkpoint still is `expected`.

        Nothing is saved either where another process has settled entries since, or rolled up an
        hour or day in which the change has a minute.
        """
        ...

    async def covering(
        self,
        window: Window,
        tiers: Sequence[Tier],
        upto: int | None = None,
        *,
        histograms: bool = True,
    ) -> Coverage:
        """What there is for a window, of these tiers, the coarsest first.

        Where no histograms are wanted, a store may leave them empty: they are most of a rollup.
        With `upto`, only of entries up to that number. For `EVER`, what expired counts as a day
        that starts at 0, whatever the tiers.
        """
        ...

    async def stored(self, tier: Tier, starts: Sequence[int]) -> list[StoredRollup]:
        """The rollups of a tier with these starts, where they exist."""
        ...

    async def starts(self, tier: Tier, window: Window = EVER) -> list[int]:
        """The start of each rollup of a tier that starts in the window, in ms, ascending."""
        ...

    async def entries_in(self, minutes: Sequence[int]) -> list[tuple[int, int]]:
        """Minute and number of each entry that has samples in these minutes, both ascending."""
        ...

    async def settled(self, minutes: Sequence[int]) -> list[StoredRollup]:
        """What settled entries put into these minutes, where unsettled ones have samples too."""
        ...

    async def settle(
        self,
        upto: int,
        entries: Sequence[tuple[int, int]],
        settled: Sequence[StoredRollup],
        expected: int,
    ) -> bool:
        """Need the entries up to this number no more, if `settled_upto` still is `expected`.

        `entries` are their minutes and numbers, which are forgotten; `settled` is what they and
        those before them put into minutes that later entries share.
        """
        ...

    async def expire(self, tier: Tier, before_ms: int, limit: int) -> int:
        """Remove at most `limit` rollups that start before a moment; how many were.

        None goes from the first hour or day on in which unsettled entries have samples: `clear`
        drops that one, to be made anew of all its parts. Days, the last tier, are counted in
        `expired`, so that totals never fall.
        """
        ...

    async def clear(self) -> None:
        """Forget all that unsettled entries bring back, so that folding starts from these.

        `streams` stay, unless they are damaged: folding entries again does not change them.
        """
        ...

    async def size(self) -> Mapping[str, tuple[int, int]]:
        """For each tier by name: how many rollups there are, and how many bytes they take."""
        ...


class StoreVitals(msgspec.Struct, frozen=True):
    """What a store takes in bytes, how many writes wait for it, and how long commits took.

    `commits` are those since the store was opened, as series 0; of none where nothing is committed.
    """

    size_bytes: int
    writes_waiting: int = 0
    commits: Rollups = Rollups.none()


class SavedFold(msgspec.Struct, frozen=True):
    """A fold of the entries up to `checkpoint`; `state` is None where what was kept is damaged."""

    checkpoint: int = 0
    state: bytes | None = b""


class FoldStore(Protocol):
    """Folds that are kept whole, each under its name. Every method raises `StoreUnavailable`."""

    async def load(self, name: str) -> SavedFold:
        """What was last saved under a name."""
        ...

    async def save(self, name: str, fold: SavedFold, expected: int) -> bool:
        """Save a fold and its checkpoint as one, if the checkpoint there still is `expected`."""
        ...

    async def clear(self, name: str) -> None:
        """Forget what was saved under a name."""
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
    def rollups(self) -> RollupStore:
        """The read model of samples."""
        ...

    @property
    def folds(self) -> FoldStore:
        """The folds that are kept whole."""
        ...

    def opened(self) -> AbstractAsyncContextManager["Store"]:
        """Open the store for as long as the context lasts. Raises `StoreUnusable`."""
        ...

    async def setting(self, name: str) -> str | None:
        """What was last kept under this name. Raises `DamagedSetting`."""
        ...

    async def keep_setting(self, name: str, value: str) -> None:
        """Keep a setting that whoever opens the store has to know."""
        ...

    async def backup(self, path: Path) -> None:
        """Copy the store as it is at one moment into a new file, while it is written.

        Raises `StoreUnavailable`, and leaves no file, where that can not be done.
        """
        ...

    def compact(self) -> AsyncIterator[tuple[int, int]]:
        """Give free space back in steps; how much of how much there is was given back, in bytes."""
        ...

    async def faults(self) -> list[str]:
        """What is wrong with where everything is stored, in words; nothing where it is whole."""
        ...

    async def check_writable(self) -> None:
        """Commit something that changes nothing. Raises `StoreUnavailable`."""
        ...

    async def vitals(self) -> StoreVitals:
        """How it is; cheap, also while it is busy. Raises `StoreUnavailable`."""
        ...
