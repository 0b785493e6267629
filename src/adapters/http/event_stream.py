"""One open event stream, as plain ASGI."""

import asyncio

from ...domain.event import EventFilter
from .event_broadcast import EventBroadcast, Watcher
from .event_frames import greeting
from .middleware import Receive, Scope, Send

RECONNECT_MS = 2_000
STALLED_SECONDS = 20.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """Sends what a filter wants until the client leaves or takes nothing, or the server ends.

    A client that is slower than the events holds no more of them here than one piece: the next is
    made when the one before went out.
    """

    def __init__(
        self,
        broadcast: EventBroadcast,
        wanted: EventFilter,
        after: int | None,
        *,
        ticks: bool,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        """Stream from `broadcast`."""
        self._broadcast = broadcast
        self._wanted = wanted
        self._after = after
        self._ticks = ticks
        self._stalled_seconds = stalled_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; raises `TooManyStreams` and `StoreUnavailable` before anything is sent."""
        start = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        watching = self._broadcast.watching(self._wanted, self._after, ticks=self._ticks)
        async with watching as watcher:
            listening = asyncio.create_task(_notice_leaving(receive, watcher))
            try:
                await send(start)
                await self._stream(watcher, send)
            finally:
                listening.cancel()

    async def _stream(self, watcher: Watcher, send: Send) -> None:
        piece: bytes | None = greeting(watcher.place, RECONNECT_MS)
        while piece is not None:
            try:
                async with asyncio.timeout(self._stalled_seconds):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError:
                return
            piece = await self._broadcast.next(watcher)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _notice_leaving(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.leave()
