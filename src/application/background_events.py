"""Events from those that can not wait until they are recorded: the middleware, a log."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..domain.event import DEFAULT_SERVICE
from ..domain.validation import InvalidInput
from .errors import OpsboardError
from .record import EventRecorder

MAX_WAITING_EVENTS = 1_000

Fields: TypeAlias = Mapping[str, Any]
Pending: TypeAlias = Callable[[], Fields]
"""Makes an event when it is about to be recorded."""

_log = logging.getLogger(__name__)


class BackgroundEvents:
    """Records events on the board's loop, from whichever thread they come.

    What has no room, or can not be recorded, is dropped and counted, and said in an event as soon
    as one can be recorded.
    """

    def __init__(self, recorder: EventRecorder, limit: int = MAX_WAITING_EVENTS) -> None:
        """Keep at most `limit` waiting; none before `start`."""
        self.dropped = 0
        self._untold = 0
        self._recorder = recorder
        self._limit = limit
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Record on the loop that runs now."""
        self._loop = asyncio.get_running_loop()

    async def finish(self) -> None:
        """Take no more, and record what waits."""
        self._loop = None
        await asyncio.sleep(0)  # what other threads put has a task after this
        await asyncio.gather(*self._tasks)

    def put(self, event: Pending) -> None:
        """Take an event, where there is room for it."""
        with self._lock:
            loop = self._loop
            if loop is None or loop.is_closed() or self._waiting >= self._limit:
                self.refuse()
                return
            self._waiting += 1
        loop.call_soon_threadsafe(self._begin, event)

    def refuse(self) -> None:
        """Count an event that has no place."""
        with self._lock:
            self.dropped += 1
            self._untold += 1

    def _begin(self, event: Pending) -> None:
        task = asyncio.ensure_future(self._record(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, event: Pending) -> None:
        try:
            fields = event()
            await self._recorder.record(**fields)
            await self._tell_dropped(fields.get("service", DEFAULT_SERVICE))
        except (OpsboardError, InvalidInput) as error:
            _log.warning("an event was dropped: %s", error)
            self.refuse()
        except Exception:  # noqa: BLE001 - whoever said it is gone
            _log.exception("an event was dropped")
            self.refuse()
        finally:
            with self._lock:
                self._waiting -= 1

    async def _tell_dropped(self, service: str) -> None:
        with self._lock:
            dropped, self._untold = self._untold, 0
        if not dropped:
            return
        try:
            await self._recorder.record(
                f"{dropped} events were dropped",
                level="WARN",
                type="OPS",
                service=service,
                meta={"dropped_events": dropped, "reason": "too many at once"},
            )
        except OpsboardError:
            with self._lock:
                self._untold += dropped
