"""Samples that wait: packed, bounded, and taken from any thread."""

import threading
from collections.abc import Callable

from ...domain.packed_sample import PACKED_SAMPLE
from ...domain.series_key import OTHER_ROUTE, SeriesKey

MAX_WAITING_SAMPLES = 200_000
MAX_BATCH = 4_096
MAX_SERIES = 20_000
MAX_ROUTE_LENGTH = 1_000
MIN_STATUS_CODE, MAX_STATUS_CODE = 100, 999


class WaitingSamples:
    """A bounded queue of samples; what is past the bound is dropped, and counted.

    `observe` takes no lock: to extend a `bytearray`, to copy a part of it and to delete a part are
    each one step for the interpreter.
    """

    def __init__(self, wake: Callable[[], None], limit: int = MAX_WAITING_SAMPLES) -> None:
        """`wake` is called for the first sample of a batch, and for the last."""
        self.keys: list[SeriesKey] = []
        """The series, by number; it only grows."""
        self._wake = wake
        self._limit = limit * PACKED_SAMPLE.size
        self._full = min(MAX_BATCH, limit) * PACKED_SAMPLE.size
        self._packed = bytearray()
        self._pack = PACKED_SAMPLE.pack
        self._numbers: dict[SeriesKey, int] = {}
        self.renew()

    def renew(self) -> None:
        """Forget what waits, as a forked process must: it waits in its parent too."""
        self._packed = bytearray()
        self._threshold = self._full
        self._dropped = 0
        self._lock = threading.RLock()

    def series(self, key: SeriesKey) -> int:
        """A number for the series, the same one each time; past `MAX_SERIES`, that of a rest."""
        number = self._numbers.get(key)
        if number is not None:
            return number
        if len(self.keys) >= MAX_SERIES and key.route != OTHER_ROUTE:
            return self.series(SeriesKey(key.service, OTHER_ROUTE, key.method, key.status_code))
        route = key.route.replace("\0", "\ufffd")[:MAX_ROUTE_LENGTH] or "/"
        status_code = max(MIN_STATUS_CODE, min(key.status_code, MAX_STATUS_CODE))
        # One that is refused would take the whole batch with it.
        fit = key._replace(route=route, status_code=status_code).in_unicode()
        with self._lock:
            number = self._numbers.get(fit)
            if number is None:
                number = len(self.keys)
                self.keys.append(fit)
                self._numbers[fit] = number
            self._numbers[key] = number
        return number

    def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
        """Take one sample."""
        packed = self._packed
        size = len(packed)
        if size >= self._threshold and self._is_over(size):
            return
        packed += self._pack(series, latency_ns, ended_at)
        if not size:
            self._wake()

    def _is_over(self, size: int) -> bool:
        """Whether the sample has no place; where a batch is full, it says so."""
        if size >= self._limit:
            with self._lock:
                self._dropped += 1
            return True
        self._threshold = self._limit
        self._wake()
        return False

    def take(self) -> bytes:
        """Remove the oldest samples, as many as make a batch, packed one after the other."""
        taken = bytes(self._packed[: MAX_BATCH * PACKED_SAMPLE.size])
        del self._packed[: len(taken)]
        self._threshold = self._full
        return taken

    def take_dropped(self) -> int:
        """How many were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    @property
    def batch_is_full(self) -> bool:
        """Whether as many wait as make a batch."""
        return len(self._packed) >= self._full

    def __len__(self) -> int:
        """How many wait."""
        return len(self._packed) // PACKED_SAMPLE.size
