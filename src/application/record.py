"""The write side: what happened becomes entries of the journal."""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from ..domain.entry import IdempotencyKey, Stream
from ..domain.event import DEFAULT_SERVICE, OperationalEvent, RecordedEvent
from ..domain.exception_event import EventFields
from ..domain.instant import NS_PER_MS
from ..domain.interning import InternedSeries
from ..domain.keyed_samples import Find, KeyedSamples, canonical
from ..domain.packed_sample import PACKED_SAMPLE
from ..domain.sample import Ints, SampleBatch, SeriesKey
from ..domain.secret_keys import USUAL, SecretKeys
from ..domain.validation import InvalidInput, Violation
from .cardinality import SeriesLimit
from .errors import OpsboardError, Overloaded, StoreUnavailable
from .ports import Clock, Ids, Journal
from .readable import readable

FLUSH_EVERY_SECONDS = 1.0
EVENTS_AT_ONCE = 200
"""After so many of a batch were made, other requests have their turn."""
MAX_BATCH = 4_096
MAX_BATCHES_AT_ONCE = 8
"""Appended together: a commit and what follows it cost about as much as ten thousand samples."""
MAX_WAITING_SAMPLES = 200_000
MAX_RECORDING_SAMPLES = 1_000_000
MAX_KEY_LENGTH = 255

_COLUMNS = 3
_PAGE_BYTES = MAX_BATCH * PACKED_SAMPLE.size

_log = logging.getLogger(__name__)
_pack = PACKED_SAMPLE.pack
_canonical = msgspec.json.Encoder(order="deterministic").encode


class EventRecorder:
    """Records operational events."""

    def __init__(self, journal: Journal, clock: Clock, secret_keys: SecretKeys = USUAL) -> None:
        """Record into `journal`, at the times of `clock`; what has a secret key is masked."""
        self.secret_keys = secret_keys
        self._journal = journal
        self._clock = clock

    async def record(
        self,
        message: str,
        *,
        level: str,
        type: str,
        service: str = DEFAULT_SERVICE,
        meta: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> RecordedEvent:
        """Record one event; returns when it is durable.

        With the `key` of an earlier call that said the same, its event is given again; it is 1-255
        printable ASCII characters. Raises
        `InvalidInput`, `IdempotencyClash`, `Overloaded`, `StoreUnavailable`.
        """
        event = OperationalEvent.say(
            ts=self._clock.now(),
            level=level,
            type=type,
            service=service,
            message=message,
            meta=meta,
            secret_keys=self.secret_keys,
        )
        named = None if key is None else IdempotencyKey(checked_key(key), _fingerprint(event))
        appended = await self._journal.append(Stream.EVENTS, (event,), named)
        number = appended.numbers[0]
        if not appended.replayed:
            return RecordedEvent(number, event)
        async for page in self._journal.read(Stream.EVENTS, number - 1, number):
            for found in readable(self._journal, page, OperationalEvent):
                return RecordedEvent(*found)
        raise StoreUnavailable(f"event {number} can not be read back")

    async def record_all(self, drafts: Sequence[EventFields], key: IdempotencyKey | None) -> int:
        """Record all of these or none, at once; how many were, when they are durable.

        With a key that was used within 24 hours for the same thing, that is none. Raises what
        `record` does.
        """
        now = self._clock.now()
        events = []
        for draft in drafts:
            events.append(OperationalEvent.say(ts=now, secret_keys=self.secret_keys, **draft))
            if not len(events) % EVENTS_AT_ONCE:
                await asyncio.sleep(0)
        if not events:
            return 0
        appended = await self._journal.append(Stream.EVENTS, events, key)
        return 0 if appended.replayed else len(events)


def checked_key(key: str) -> str:
    """The key, where it is one. Raises `InvalidInput` naming `Idempotency-Key`."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInput.of(
            "Idempotency-Key", f"must be 1-{MAX_KEY_LENGTH} printable ASCII characters"
        )
    return key


def _fingerprint(event: OperationalEvent) -> bytes:
    """What the caller said, without what the clock added."""
    return hashlib.sha256(_canonical(msgspec.structs.replace(event, ts=0))).digest()


class SampleRecorder:
    """Gathers samples and appends them in batches; the sink of the latency middleware.

    `observe` only packs three numbers. While the journal fails, batches wait and are tried again
    under the key of their first try, so that none counts twice; past `limit` waiting samples, the
    newest are dropped, and counted in `dropped`, as a batch is that can not be written at all.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        ids: Ids,
        series_limit: SeriesLimit,
        *,
        limit: int = MAX_WAITING_SAMPLES,
    ) -> None:
        """Append to `journal`; keep at most about `limit` samples waiting."""
        self.max_behind: int | None = None
        """No sample may have ended more ns ago: what it would be merged into may be gone."""
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._series_limit = series_limit
        self._limit = limit
        self._interned = InternedSeries()
        self.find: Find = self._interned.find
        """The number of a series by its key; None where it has none yet."""
        self._page = bytearray()
        self._batches: deque[SampleBatch] = deque()
        self._sealed: deque[tuple[IdempotencyKey, Sequence[SampleBatch]]] = deque()
        self._waiting = 0
        self._recording = 0
        self._flushing = asyncio.Lock()
        self._full = asyncio.Event()
        self.dropped = 0

    def series(self, key: SeriesKey) -> int:
        """See `SampleSink.series`; past the limit, the number of the route `(other)`."""
        known = self.find(key)
        if known is None:
            known = self._interned.number(self._series_limit.admit(canonical(key)))
        return known

    def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
        """Take one sample; it is in the journal within about a second."""
        page = self._page
        page += _pack(series, latency_ns, ended_at)
        if len(page) >= _PAGE_BYTES:
            self._cut_batch()
            if len(self._batches) >= MAX_BATCHES_AT_ONCE:
                self._full.set()

    async def record(
        self, samples: KeyedSamples | SampleBatch, key: IdempotencyKey | None = None
    ) -> int:
        """Record samples, all or none; how many there were, once they are durable.

        With a key that was used within 24 hours for the same thing, nothing is recorded. Raises
        `InvalidInput` naming the first bad rows, `IdempotencyClash`, `StoreUnavailable`, and
        `Overloaded` also where `MAX_RECORDING_SAMPLES` are on their way already.
        """
        if isinstance(samples, SampleBatch):
            samples = KeyedSamples.of_batch(samples, self.find)
        violations = self.violations(samples)
        if violations:
            raise InvalidInput(violations)
        numbers = samples.series
        if samples.new:
            new = numbers < 0
            numbers = numbers.copy()
            numbers[new] = (await self._admitted(samples.new))[-1 - numbers[new]]
        await self.record_numbered(numbers, samples.latency_ns, samples.ended_at_ms, key)
        return len(samples)

    async def _admitted(self, new: Sequence[SeriesKey]) -> Ints:
        """The numbers of series that had none."""
        numbers = np.empty(len(new), np.int64)
        for start in range(0, len(new), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            numbers[part] = [self.series(key) for key in new[part]]
            if len(new) > MAX_BATCH:
                await asyncio.sleep(0)
        return numbers

    def violations(self, samples: KeyedSamples) -> list[Violation]:
        """What is wrong with the first bad rows, by their place: `/7/latency_ms`."""
        return samples.violations(self.now_ms(), self.oldest_ms)

    def now_ms(self) -> int:
        """The end of a sample that does not say when it ended, in ms since 1970."""
        return self._clock.now() // NS_PER_MS

    async def record_numbered(
        self, numbers: Ints, latency_ns: Ints, ended_at_ms: Ints, key: IdempotencyKey | None
    ) -> None:
        """Record valid samples by the numbers that `series` gave, as `record` does."""
        count = len(numbers)
        if self._recording and self._recording + count > MAX_RECORDING_SAMPLES:
            raise Overloaded("too many samples are waiting for the disk")
        self._recording += count
        try:
            entries = []
            for start in range(0, count, MAX_BATCH):
                part = slice(start, start + MAX_BATCH)
                entries.append(
                    self._interned.batch(numbers[part], latency_ns[part], ended_at_ms[part])
                )
                if count > MAX_BATCH:
                    await asyncio.sleep(0)
            if entries:
                await self._journal.append(Stream.SAMPLES, entries, key)
        finally:
            self._recording -= count

    def batch_of(self, numbers: Ints, latency_ns: Ints, ended_at_ms: Ints) -> SampleBatch:
        """The batch of samples whose series have the numbers that `series` gave."""
        return self._interned.batch(numbers, latency_ns, ended_at_ms)

    @property
    def oldest_ms(self) -> int:
        """The earliest end that a sample may have, in ms since 1970."""
        if self.max_behind is None:
            return 0
        return max(0, self._clock.now() - self.max_behind) // NS_PER_MS

    @property
    def unwritten(self) -> int:
        """How many samples are not in the journal yet."""
        return self._waiting + len(self._page) // PACKED_SAMPLE.size

    def _cut_batch(self) -> None:
        rows = np.frombuffer(self._page, np.int64).reshape(-1, _COLUMNS)
        self._page = bytearray()
        if self._waiting + len(rows) > self._limit:
            self._drop(len(rows), "the journal takes none, and too many wait")
            return
        numbers, latency_ns, ended_at = rows.T.copy()
        # A clock that was behind all that is kept, as before its first setting, is not believed.
        ended_at_ms = np.maximum(ended_at // NS_PER_MS, self.oldest_ms)
        self._batches.append(self._interned.batch(numbers, latency_ns, ended_at_ms))
        self._waiting += len(rows)

    async def flush(self) -> None:
        """Append all that was observed before the call. Raises `StoreUnavailable`, `Overloaded`."""
        if self._page:
            self._cut_batch()
        async with self._flushing:
            while self._sealed or self._batches:
                if not self._sealed:
                    together = min(len(self._batches), MAX_BATCHES_AT_ONCE)
                    self._seal([self._batches.popleft() for _ in range(together)])
                key, batches = self._sealed[0]
                try:
                    await self._journal.append(Stream.SAMPLES, batches, key)
                except OpsboardError:
                    raise
                except Exception as error:  # noqa: BLE001 - it would fail for ever, and block all
                    if len(batches) > 1:
                        self._part()
                        continue
                    self._drop(len(batches[0]), f"they can not be written: {error}")
                self._sealed.popleft()
                self._waiting -= sum(map(len, batches))

    def _seal(self, batches: Sequence[SampleBatch]) -> None:
        """These are tried together, under one key, until it is known what became of them."""
        name = self._ids.new()
        self._sealed.append((IdempotencyKey(name, name.encode()), batches))

    def _part(self) -> None:
        """Of batches that can not be written together, one may be at fault: each by itself."""
        _, batches = self._sealed.popleft()
        for batch in batches:
            self._seal([batch])

    def _drop(self, count: int, reason: str) -> None:
        """Count them; the first time, say so."""
        if not self.dropped:
            _log.error("request samples are dropped, from now on they are only counted: %s", reason)
        self.dropped += count

    async def run(self) -> None:
        """Flush when a batch is full, and every second, until cancelled."""
        failing = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY_SECONDS):
                    await self._full.wait()
            self._full.clear()
            try:
                await self.flush()
                failing = False
            except (StoreUnavailable, Overloaded) as error:
                if not failing:
                    _log.warning("samples wait for the journal: %s", error)
                failing = True
                await asyncio.sleep(FLUSH_EVERY_SECONDS)
