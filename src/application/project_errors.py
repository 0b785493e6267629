"""The running projection of errors: their groups live in memory, saved as a whole as it goes."""

import asyncio
import logging
from collections.abc import Iterator, Sequence

import msgspec

from ..domain.entry import Recorded, Stream, UnreadableEntry
from ..domain.error_group import (
    EXCEPTION_TYPE,
    REOPENED_TYPE,
    RESOLVED_TYPE,
    ErrorGroups,
)
from ..domain.event import OperationalEvent
from .ports import Clock, FoldStore, Journal, SavedFold
from .project_events import wait_for_calm
from .readable import readable

GROUPS, SETTLED = "error_groups", "error_groups_settled"
"""The fold up to now; and the same as of an entry which retention may remove all before."""
VERSION = 1
"""Of the fold. A fold of another version is folded anew from what the journal still has."""
SAVE_AFTER_NS = 10_000_000_000
SAVE_AFTER_ENTRIES = 50_000
FOLD_AT_ONCE = 16

_SIGNS = tuple(f'"{name}"'.encode() for name in (EXCEPTION_TYPE, RESOLVED_TYPE, REOPENED_TYPE))

_log = logging.getLogger(__name__)


class _State(msgspec.Struct, array_like=True):
    version: int
    groups: ErrorGroups


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_State)


class ErrorProjection:
    """The fold of all events that carry an exception, or say that one is resolved."""

    def __init__(self, journal: Journal, folds: FoldStore, clock: Clock) -> None:
        """Fold what `journal` holds; keep it in `folds`."""
        self._journal = journal
        self._folds = folds
        self._clock = clock
        self._saved_at = clock.monotonic()
        self._saved_upto = 0
        self._settled_upto = 0
        self._changed = False
        self._standing = asyncio.Lock()
        self.groups = ErrorGroups()
        self.checkpoint = 0
        self.unreadable = 0

    async def start(self) -> None:
        """Take up what is saved; what came after it is folded in the background."""
        saved, settled = await self._folds.load(GROUPS), await self._folds.load(SETTLED)
        self._saved_upto, self._settled_upto = saved.checkpoint, settled.checkpoint
        newest = max(saved, settled, key=lambda fold: (_is_usable(fold), fold.checkpoint))
        groups = decode_groups(newest)
        self.groups = groups or ErrorGroups()
        self.checkpoint = 0 if groups is None else newest.checkpoint

    async def catch_up(self) -> None:
        """Fold every event that the journal has by now."""
        async with self._standing:
            async for page in self._journal.read(Stream.EVENTS, self.checkpoint):
                for upto in self._folded(page):
                    self.checkpoint = upto
                    await asyncio.sleep(0)

    def _folded(self, page: Sequence[Recorded]) -> Iterator[int]:
        """Fold a page, a few exceptions at a time: up to which entry it is folded."""
        for part in _parts(page):
            matter = [recorded for recorded in part if _may_matter(recorded)]
            for id, event in readable(self._journal, matter, OperationalEvent, self._leave_out):
                self.groups.evolve(id, event)
                self._changed = True
            yield part[-1].number

    def _leave_out(self, recorded: Recorded, error: UnreadableEntry) -> None:
        self.unreadable += 1
        _log.error("%s %d is left out: %s", recorded.stream, recorded.number, error)

    async def run(self) -> None:
        """Follow the journal, and save from time to time, until cancelled."""
        while True:
            async for page in self._journal.follow(Stream.EVENTS, self.checkpoint):
                await wait_for_calm(self._journal, page[0].number - 1)
                await self.catch_up()
                break
            if self._is_due():
                await self.save()

    def _is_due(self) -> bool:
        waited = self._clock.monotonic() - self._saved_at
        behind = self.checkpoint - self._saved_upto
        return behind >= SAVE_AFTER_ENTRIES or (self._changed and waited >= SAVE_AFTER_NS)

    async def save(self) -> None:
        """Save the fold, unless another process has saved a later one."""
        async with self._standing:
            fold = encode_groups(self.groups, self.checkpoint)
            self._changed = False
        self._saved_at = self._clock.monotonic()
        if fold.checkpoint <= self._saved_upto:
            return
        if await self._folds.save(GROUPS, fold, expected=self._saved_upto):
            self._saved_upto = fold.checkpoint
        else:
            self._saved_upto = (await self._folds.load(GROUPS)).checkpoint

    async def lag(self) -> int:
        """How many events of the journal are not folded yet."""
        head = await self._journal.head(Stream.EVENTS)
        cut = await self._journal.cut(Stream.EVENTS)
        return max(0, head.number - max(cut.number, self.checkpoint))

    async def settle(self, cut: int, due: int) -> int:
        """Keep what the events up to `due` count for; up to which one retention may now remove.

        Counts must not fall when events go, and what is left must still lead from what is kept to
        what is shown.
        """
        if self._settled_upto <= cut < due:
            groups, start = await self._settled_groups(cut)
            async for page in self._journal.read(Stream.EVENTS, start, due):
                matter = filter(_may_matter, page)
                for id, event in readable(self._journal, matter, OperationalEvent):
                    groups.evolve(id, event)
                await asyncio.sleep(0)
            fold = encode_groups(groups, due)
            if await self._folds.save(SETTLED, fold, expected=self._settled_upto):
                self._settled_upto = due
            else:
                self._settled_upto = (await self._folds.load(SETTLED)).checkpoint
        return self._settled_upto

    async def _settled_groups(self, cut: int) -> tuple[ErrorGroups, int]:
        """What is settled, and up to which entry; where the journal was cut past it, what is saved.

        An opsboard that knows nothing of errors may have cut it.
        """
        for name in (SETTLED, GROUPS):
            fold = await self._folds.load(name)
            groups = decode_groups(fold)
            if groups is not None and fold.checkpoint >= cut:
                return groups, fold.checkpoint
        return ErrorGroups(), cut


async def fold_between(journal: Journal, start: SavedFold, upto: int) -> ErrorGroups:
    """What was saved, and the events after it up to a number, folded anew."""
    groups = decode_groups(start) or ErrorGroups()
    async for page in journal.read(Stream.EVENTS, start.checkpoint, upto):
        for id, event in readable(journal, filter(_may_matter, page), OperationalEvent):
            groups.evolve(id, event)
        await asyncio.sleep(0)
    return groups


def encode_groups(groups: ErrorGroups, checkpoint: int) -> SavedFold:
    """The fold as it is saved."""
    return SavedFold(checkpoint, _encoder.encode(_State(VERSION, groups)))


def decode_groups(fold: SavedFold) -> ErrorGroups | None:
    """The groups that were saved; None where they are damaged, or of another version."""
    if fold.state == b"":
        return ErrorGroups() if fold.checkpoint == 0 else None
    try:
        state = _decoder.decode(fold.state or b"")
    except (msgspec.DecodeError, ValueError):
        return None
    return state.groups if state.version == VERSION else None


def _is_usable(fold: SavedFold) -> bool:
    return decode_groups(fold) is not None


def _may_matter(recorded: Recorded) -> bool:
    """Whether the entry is worth decoding: what matters has one of these words in it, as it is."""
    payload = recorded.encoded.payload
    return not recorded.encoded.is_json or any(sign in payload for sign in _SIGNS)


def _parts(page: Sequence[Recorded]) -> Iterator[Sequence[Recorded]]:
    return (page[at : at + FOLD_AT_ONCE] for at in range(0, len(page), FOLD_AT_ONCE))
