"""The write side: what happened becomes entries of the journal."""

import asyncio
import hashlib
import logging
from collections import deque
from contextlib import suppress
from typing import Any

import msgspec

from ..domain.entry import IdempotencyKey, Stream
from ..domain.event import DEFAULT_SERVICE, OperationalEvent, RecordedEvent
from ..domain.sample import RequestSample, SampleBatch
from ..domain.validation import InvalidInput
from .errors import OpsboardError, Overloaded, StoreUnavailable
from .ports import Clock, Ids, Journal

FLUSH_EVERY_SECONDS = 1.0
MAX_BATCH = 4_096
MAX_WAITING_SAMPLES = 200_000
MAX_KEY_LENGTH = 255

_log = logging.getLogger(__name__)
_canonical = msgspec.json.Encoder(order="deterministic").encode


class EventRecorder:
    """Records operational events."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        """Record into `journal`, at the times of `clock`."""
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
        )
        named = None if key is None else IdempotencyKey(checked_key(key), _fingerprint(event))
        appended = await self._journal.append(Stream.EVENTS, (event,), named)
        number = appended.numbers[0]
        if not appended.replayed:
            return RecordedEvent(number, event)
        async for page in self._journal.read(Stream.EVENTS, number - 1, number):
            entry = page[0].entry
            if isinstance(entry, OperationalEvent):
                return RecordedEvent(number, entry)
        raise StoreUnavailable(f"event {number} can not be read back")


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

    `observe` only appends to a list. While the journal fails, batches wait and are tried again
    under the key of their first try, so that none counts twice; past `limit` waiting samples, the
    newest are dropped, and counted in `dropped`, as a batch is that can not be written at all.
    """

    def __init__(self, journal: Journal, ids: Ids, limit: int = MAX_WAITING_SAMPLES) -> None:
        """Append to `journal`; keep at most about `limit` samples waiting."""
        self._journal = journal
        self._ids = ids
        self._limit = limit
        self._samples: list[RequestSample] = []
        self._batches: deque[tuple[IdempotencyKey, SampleBatch]] = deque()
        self._waiting = 0
        self._flushing = asyncio.Lock()
        self._full = asyncio.Event()
        self.dropped = 0

    def observe(self, sample: RequestSample) -> None:
        """Take one sample; it is in the journal within about a second."""
        samples = self._samples
        samples.append(sample)
        if len(samples) >= MAX_BATCH:
            self._cut_batch()

    @property
    def unwritten(self) -> int:
        """How many samples are not in the journal yet."""
        return self._waiting + len(self._samples)

    def _cut_batch(self) -> None:
        samples, self._samples = self._samples, []
        if self._waiting + len(samples) > self._limit:
            self._drop(len(samples), "the journal takes none, and too many wait")
            return
        name = self._ids.new()
        self._waiting += len(samples)
        self._batches.append((IdempotencyKey(name, name.encode()), SampleBatch.of(samples)))
        self._full.set()

    async def flush(self) -> None:
        """Append all that was observed before the call. Raises `StoreUnavailable`, `Overloaded`."""
        if self._samples:
            self._cut_batch()
        async with self._flushing:
            while self._batches:
                key, batch = self._batches[0]
                try:
                    await self._journal.append(Stream.SAMPLES, (batch,), key)
                except OpsboardError:
                    raise
                except Exception as error:  # noqa: BLE001 - it would fail for ever, and block all
                    self._drop(len(batch), f"they can not be written: {error}")
                self._batches.popleft()
                self._waiting -= len(batch)

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
