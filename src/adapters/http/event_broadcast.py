"""One reader of the journal for all who watch it live, so that watching costs the writers little.

Events are read, decoded and encoded once. Who watches is woken a few at a time, and between them
the loop belongs to others for `1 / SHARE - 1` times what that took of its thread: a thousand
watchers make the stream slower, not `POST /events`. Who falls behind what is kept here reads on
from the journal, one page at a time, in turn with the others who do.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec

from ...application.errors import OpsboardError
from ...application.event_feed import EventFeed, EventPage
from ...domain.event import EventFilter
from .event_frames import MAX_BATCH_EVENTS, Batch, batches, heartbeat, tick
from .problems import HttpError

MAX_STREAMS = 512
RETRY_AFTER_SECONDS = "5"

SHARE = 0.03
"""Of the loop's time, how much watchers may take."""
CALM_SECONDS = 0.05
WAKE_AT_ONCE = 16
KEPT_EVENTS = 1_024
KEPT_BYTES = 1 << 20
READ_AGAIN = 128
MAX_LAG = 10_000
SEND_SECONDS = 50e-6
"""What it takes to send one piece, about."""
READ_SECONDS = 10e-6
"""What it takes to read one event from the journal, about, here and on the store's thread."""
TICK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
STORE_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class TooManyStreams(HttpError):
    """There is no room for another stream, or the server ends."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Pace(msgspec.Struct, frozen=True):
    """How often what is looked at, in seconds, and how many may watch."""

    max_streams: int = MAX_STREAMS
    calm_seconds: float = CALM_SECONDS
    tick_seconds: float = TICK_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS


class Watcher:
    """One open stream: what it wants, and the last id that was looked at for it."""

    def __init__(self, wanted: EventFilter, place: int, *, ticks: bool) -> None:
        """Start after the event with the id `place`."""
        self.wanted = wanted
        self.place = place
        self.ticks = ticks
        self.tick = 0
        self.heartbeat = 0
        self.wake = asyncio.Event()
        self.left = False

    def leave(self) -> None:
        """Nobody listens any more."""
        self.left = True
        self.wake.set()


class EventBroadcast:
    """Gives every watcher the events that it wants: in order, each once, none left out."""

    def __init__(
        self, feed: EventFeed, samples: Callable[[], int], pace: Pace | None = None
    ) -> None:
        """Read `feed` while somebody watches; `samples` says up to which entry they are folded."""
        self._feed = feed
        self._samples = samples
        self._pace = pace or Pace()
        self._watchers: set[Watcher] = set()
        self._work: list[asyncio.Task[None]] = []
        self._kept: deque[Batch] = deque()
        self._end = 0
        self._turn = asyncio.Lock()
        self._read: dict[int, Batch] = {}
        self._ticked = 0
        self._tick = 0
        self._tick_frame = b""
        self._heartbeats = 0
        self.ended = False

    @asynccontextmanager
    async def watching(
        self, wanted: EventFilter, after: int | None, *, ticks: bool = False
    ) -> AsyncIterator[Watcher]:
        """A watcher for as long as the context lasts, from the event after `after` on, or from now.

        An `after` that was not given out here yet counts as now. Raises `TooManyStreams`,
        `StoreUnavailable`.
        """
        newest = await self._feed.newest()
        if self.ended or len(self._watchers) >= self._pace.max_streams:
            said = "The server ends." if self.ended else "Too many streams are open."
            raise TooManyStreams(said, {"retry-after": RETRY_AFTER_SECONDS})
        place = newest if after is None else min(after, newest)
        watcher = Watcher(wanted, place, ticks=ticks)
        watcher.tick, watcher.heartbeat = self._tick, self._heartbeats
        self._watchers.add(watcher)
        if not self._work:
            self._begin(newest)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._pause()

    def end(self) -> None:
        """End every stream, and take no more."""
        self.ended = True
        for watcher in self._watchers:
            watcher.wake.set()

    async def next(self, watcher: Watcher) -> bytes | None:
        """What is to be sent next, about a batch; None at the end. Raises `StoreUnavailable`."""
        while not (self.ended or watcher.left):
            watcher.wake.clear()
            place = watcher.place
            piece = await self._events_for(watcher) + self._beats(watcher)
            if piece:
                return piece
            if watcher.place == place:
                await watcher.wake.wait()
        return None

    @property
    def _start(self) -> int:
        """The id after which all is kept here."""
        return self._kept[0].after if self._kept else self._end

    def _begin(self, newest: int) -> None:
        self._restart_at(newest)
        self._ticked = self._samples()
        self._work = [asyncio.create_task(job()) for job in (self._follow, self._beat)]

    def _restart_at(self, place: int) -> None:
        self._kept.clear()
        self._end = place

    def _pause(self) -> None:
        for task in self._work:
            task.cancel()
        self._work = []
        self._restart_at(self._end)
        self._read.clear()

    async def _events_for(self, watcher: Watcher) -> bytes:
        """Those that it wants of the next batch, which may be none."""
        if watcher.place < self._start:
            return await self._read_on(watcher)
        batch = next((batch for batch in self._kept if batch.upto > watcher.place), None)
        return b"" if batch is None else _taken(batch, watcher)

    async def _read_on(self, watcher: Watcher) -> bytes:
        """What comes next in the journal; those who are as far as each other share it."""
        async with self._turn:
            started = time.thread_time()
            batch = self._read.get(watcher.place)
            if batch is None:
                batch = await self._read_page(watcher.place)
            piece = _taken(batch, watcher)
            await _rest(time.thread_time() - started + SEND_SECONDS)
        return piece

    async def _read_page(self, place: int) -> Batch:
        """The first batch after an id; those of the same page are kept for a while."""
        made = batches(await self._feed.page(place, MAX_BATCH_EVENTS))
        self._read[place] = made[0]
        self._read.update((batch.after, batch) for batch in made[1:])
        for oldest in list(self._read)[: max(0, len(self._read) - READ_AGAIN)]:
            del self._read[oldest]
        return made[0]

    def _beats(self, watcher: Watcher) -> bytes:
        """Tick and heartbeat, where there was one since the last time."""
        piece = b""
        if watcher.ticks and watcher.tick != self._tick:
            piece += self._tick_frame
        if watcher.heartbeat != self._heartbeats:
            piece += heartbeat(watcher.place)
        watcher.tick, watcher.heartbeat = self._tick, self._heartbeats
        return piece

    async def _follow(self) -> None:
        while True:
            try:
                async for page in self._feed.follow(self._end):
                    for batch in await self._encoded(page):
                        await self._publish(batch)
                    if len(page.events) >= MAX_BATCH_EVENTS and await self._jump_if_late():
                        break
            except OpsboardError as error:
                _log.warning("%s; trying again", error)
                await asyncio.sleep(STORE_RETRY_SECONDS)

    async def _encoded(self, page: EventPage) -> Sequence[Batch]:
        started = time.thread_time()
        made = batches(page)
        await _rest(time.thread_time() - started + READ_SECONDS * len(page.events))
        return made

    async def _jump_if_late(self) -> bool:
        """Go on with the newest where more comes than can be sent.

        Who wants to miss nothing reads on from the journal; who comes now, begins now.
        """
        newest = await self._feed.newest()
        late = newest - self._end > MAX_LAG
        if late:
            self._restart_at(newest)
        return late

    async def _publish(self, batch: Batch) -> None:
        if self._kept:
            self._kept[-1].forget()
        self._kept.append(batch)
        self._end = batch.upto
        await self._wake_all()
        while len(self._kept) > 1 and (
            sum(map(len, self._kept)) > KEPT_EVENTS or sum(b.bytes for b in self._kept) > KEPT_BYTES
        ):
            self._kept.popleft()
        await asyncio.sleep(self._pace.calm_seconds)

    async def _wake_all(self) -> None:
        watchers = list(self._watchers)
        for at in range(0, len(watchers), WAKE_AT_ONCE):
            started = time.thread_time()
            for watcher in watchers[at : at + WAKE_AT_ONCE]:
                watcher.wake.set()
            # They have sent what they wanted by then: each had its turn before this one.
            await asyncio.sleep(0)
            await _rest(time.thread_time() - started)

    async def _beat(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._pace.tick_seconds)
            ticked = await self._has_ticked()
            is_due = time.monotonic() - last >= self._pace.heartbeat_seconds
            if is_due:
                last = time.monotonic()
                self._heartbeats += 1
            if ticked or is_due:
                await self._wake_all()

    async def _has_ticked(self) -> bool:
        """Whether samples were folded since the last tick."""
        samples = self._samples()
        if samples == self._ticked:
            return False
        try:
            newest = await self._feed.newest()
        except OpsboardError as error:
            _log.warning("%s; trying again", error)
            return False
        self._ticked = samples
        self._tick += 1
        self._tick_frame = tick(samples, newest)
        return True


async def _rest(spent: float) -> None:
    """Leave the loop to others, for as long as is fair after these seconds."""
    await asyncio.sleep(spent * (1 / SHARE - 1))


def _taken(batch: Batch, watcher: Watcher) -> bytes:
    piece = batch.wanted(watcher.wanted, watcher.place)
    watcher.place = batch.upto
    return piece
