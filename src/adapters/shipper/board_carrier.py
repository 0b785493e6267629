"""Carries into a board in this process, which runs on a loop and a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import numpy as np

from ...application.board import Opsboard
from ...application.errors import IdempotencyClash, OpsboardError
from ...application.own_threads import mark_own_thread
from ...domain.entry import IdempotencyKey
from ...domain.instant import NS_PER_MS
from ...domain.keyed_samples import Find, KeyedSamples, numbered
from ...domain.series_key import MAX_LATENCY_NS
from ...domain.validation import InvalidInput
from .carrier import Delivered, Later, Outcome, Parcel, Refused, Samples


class BoardCarrier:
    """Records into a board that is opened with the first parcel, and closed in the end."""

    def __init__(self, new_board: Callable[[], Opsboard]) -> None:
        """`new_board` gives a board that was not opened yet."""
        self._new_board = new_board
        self._running: _Running | None = None

    def carry(self, parcel: Parcel, timeout: float) -> Outcome:
        """See `Carrier.carry`."""
        if self._running is None:
            self._running = _Running(self._new_board())
        try:
            board = self._running.opened.result(timeout)
        except TimeoutError:
            return Later("the store takes long to open")
        except OpsboardError as error:
            self._running = None
            return Later(str(error))
        try:
            self._running.run(self._record(board, parcel)).result(timeout)
        except TimeoutError:
            return Later("the store takes long to write")
        except (InvalidInput, IdempotencyClash) as error:
            return Refused(str(error))
        except OpsboardError as error:
            return Later(str(error))
        return Delivered()

    async def _record(self, board: Opsboard, parcel: Parcel) -> None:
        if isinstance(parcel, Samples):
            key = IdempotencyKey(parcel.key, parcel.key.encode())
            await board.samples.record(_keyed(parcel, board.samples.find), key)
        else:
            await board.record_event(**parcel.fields, key=parcel.key)

    def close(self, timeout: float) -> None:
        """See `Carrier.close`."""
        if self._running is not None:
            self._running.end(timeout)
            self._running = None


class _Running:
    """A board on a loop in a thread, from its opening to its end."""

    def __init__(self, board: Opsboard) -> None:
        self.opened: Future[Opsboard] = Future()
        self._board = board
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="opsboard-board", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        mark_own_thread()
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._until_the_end())
            except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
                if not self.opened.done():
                    self.opened.set_exception(error)

    async def _until_the_end(self) -> None:
        async with self._board:
            self.opened.set_result(self._board)
            await self._end.wait()

    def run(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def end(self, timeout: float) -> None:
        """Close the board; a bound in time, since a store that is gone may keep it busy."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(max(0.0, timeout))


def _keyed(parcel: Samples, find: Find) -> KeyedSamples:
    number, latency_ns, ended_at = np.frombuffer(parcel.packed, np.int64).reshape(-1, 3).T
    used, place = np.unique(number, return_inverse=True)
    new, series = numbered([parcel.keys[each] for each in used.tolist()], find)
    return KeyedSamples(
        new, series[place], np.clip(latency_ns, 0, MAX_LATENCY_NS), ended_at // NS_PER_MS
    )
