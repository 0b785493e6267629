"""The sink that ships: a buffer in front, a thread behind, and a clean end."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from random import random as _random
from typing import Any
from weakref import WeakSet

from ...application.caught import Caught, ExceptionRate
from ...application.own_threads import mark_own_thread
from .carrier import Carrier
from .delivery import Delivery
from .events import MAX_WAITING_EVENTS, WaitingEvents
from .pauses import Pauses
from .samples import MAX_WAITING_SAMPLES, WaitingSamples

SHIP_EVERY_SECONDS = 1.0
TRY_SECONDS = 10.0
FLUSH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Shipper:
    """Takes samples and events from any thread, and has them carried by a thread of its own.

    The thread starts with the first of them. In a forked process the buffer is empty and the thread
    starts anew: what waited at the fork is shipped by the process that took it.
    """

    def __init__(
        self,
        new_carrier: Callable[[], Carrier],
        *,
        max_samples: int = MAX_WAITING_SAMPLES,
        max_events: int = MAX_WAITING_EVENTS,
        every_seconds: float = SHIP_EVERY_SECONDS,
        random: Callable[[], float] = _random,
        new_key: Callable[[], str] = lambda: os.urandom(16).hex(),
    ) -> None:
        """Keep at most so many samples and events waiting; ship what there is `every_seconds`."""
        self._samples = WaitingSamples(self._wake, max_samples)
        self._events = WaitingEvents(max_events)
        self.series = self._samples.series
        self.observe = self._samples.observe
        self._exceptions = ExceptionRate(time.monotonic_ns)
        self._every_seconds = every_seconds
        self._new_carrier = new_carrier
        self._random = random
        self._new_key = new_key
        self._start_over()
        _SHIPPERS.add(self)

    def _start_over(self) -> None:
        self._delivery = Delivery(
            self._samples, self._events, self._new_carrier, Pauses(self._random), self._new_key
        )
        self._lock = threading.RLock()
        self._hurry, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._deadline = 0.0
        """Where `_ending` is set: when it has to be over."""

    def after_fork(self) -> None:
        """Be as new, in a process that has been forked; the parent's connections are not touched.

        To close them would be a word of this process in the parent's conversations.
        """
        _PARENTS.append(self._delivery)
        self._samples.renew()
        self._events.renew()
        self._start_over()

    def say_later(self, make: Callable[[], Mapping[str, Any]]) -> None:
        """See `EventSink.say_later`; `make` is called by the thread that ships."""
        self._events.put(make)
        self._wake()

    def caught(self, error: Exception, *, service: str, route: str, method: str) -> None:
        """See `ExceptionSink.caught`. The stack trace is written by the thread that ships."""
        if not self._exceptions.allows():
            self._events.refuse()
            return
        found, now = Caught.of(error), time.time_ns()

        def event() -> Mapping[str, Any]:
            from ...domain.instant import format_instant  # noqa: PLC0415 - it is not light

            when = format_instant(now)
            return found.event(service=service, route=route, method=method, time=when)

        self.say_later(event)

    @property
    def unsent(self) -> int:
        """How many samples and events wait, or are under way."""
        return self._delivery.unsent

    def _wake(self) -> None:
        """Something waits; where it fills a batch, it need not wait any longer."""
        if self._samples.batch_is_full:
            self._hurry.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="opsboard-shipper", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is ending: `close` ships what waits
                self._thread = None

    def _run(self) -> None:
        mark_own_thread()
        while True:
            self._hurry.wait(self._every_seconds)
            self._hurry.clear()
            try:
                self._ship()
                if self._ending.is_set() and not self._delivery.unsent:
                    self._delivery.close(self._seconds_left())
                    if self._has_ended():
                        return
            except Exception:  # noqa: BLE001 - without a thread, the buffer would overflow
                _log.exception("shipping failed; trying again")

    def _has_ended(self) -> bool:
        """Whether nothing came meanwhile; who comes from now on finds no thread, and starts one."""
        with self._lock:
            thread, self._thread = self._thread, None
            if self._delivery.unsent:
                self._thread = thread
            return self._thread is None

    def _ship(self) -> None:
        """Deliver all that waits, as long as that takes, or until it has to be over."""
        self._delivery.begin()
        while True:
            seconds = min(TRY_SECONDS, self._seconds_left())
            if seconds <= 0:
                return
            pause = self._delivery.step(seconds)
            if pause is None:
                return
            if self._ending.is_set():
                time.sleep(max(0.0, min(pause, self._seconds_left())))
            elif pause:
                self._ending.wait(pause)

    def _seconds_left(self) -> float:
        return self._deadline - time.monotonic() if self._ending.is_set() else TRY_SECONDS

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Deliver what waits and end the thread, within so many seconds; say what is left.

        Whatever is observed afterwards starts it again.
        """
        self._deadline = time.monotonic() + seconds
        self._ending.set()
        self._hurry.set()
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        elif self._delivery.unsent:
            self._ship()
            self._delivery.close(self._seconds_left())
        self._ending.clear()
        if unsent := self._delivery.unsent:
            _log.error("%d samples and events could not be delivered before the end", unsent)

    async def settle(self) -> None:
        """See `SettlingSink.settle`."""
        from asyncio import to_thread  # noqa: PLC0415 - who awaits this has it; others need not

        await to_thread(self.close)


_SHIPPERS: WeakSet[Shipper] = WeakSet()
_PARENTS: list[Delivery] = []


@atexit.register
def _close_all() -> None:
    end = time.monotonic() + FLUSH_SECONDS
    for shipper in list(_SHIPPERS):
        shipper.close(max(0.0, end - time.monotonic()))


def _renew_all() -> None:
    for shipper in list(_SHIPPERS):
        shipper.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
