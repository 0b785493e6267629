"""Ends with the app: a hook on the end of its lifespan, also for an app that has none."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Settle: TypeAlias = Callable[[], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


async def pass_lifespan(
    app: ASGIApp, scope: Message, receive: Receive, send: Send, settle: Settle
) -> None:
    """Let `app` serve its lifespan, and await `settle` before it says that it ended.

    An app that raises or returns before it says a word has no lifespan, as Django's. Servers go on
    without one, and then end without a word to anybody: so it is served here in the app's place.
    """
    lifespan = _Lifespan(receive, send, settle)
    try:
        await app(scope, lifespan.receive, lifespan.send)
    except Exception:
        if lifespan.answered:
            raise
    if not lifespan.answered:
        await lifespan.serve()


class _Lifespan:
    def __init__(self, receive: Receive, send: Send, settle: Settle) -> None:
        self._receive = receive
        self._send = send
        self._settle = settle
        self._received: Message | None = None
        self.answered = False

    async def receive(self) -> Message:
        self._received = await self._receive()
        return self._received

    async def send(self, message: Message) -> None:
        self.answered = True
        if message["type"].startswith("lifespan.shutdown."):
            await self._settle()
        await self._send(message)

    async def serve(self) -> None:
        """The whole protocol, from where the app left it."""
        message = self._received or await self.receive()
        while True:
            await self.send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
            message = await self.receive()
