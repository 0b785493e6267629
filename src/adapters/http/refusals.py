"""Counts what is refused for want of room: nothing that was sent and not kept goes uncounted."""

from collections import Counter
from collections.abc import Awaitable
from http import HTTPStatus

from .middleware import ASGIApp, Message, Receive, Scope, Send


class CountRefusals:
    """Counts the answers that ask to come again later: 503 with `Retry-After`."""

    def __init__(self, app: ASGIApp, refused: Counter[str]) -> None:
        """Wrap `app`; count in `refused`, by status code."""
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        def counting(message: Message) -> Awaitable[None]:
            if message.get("status") == HTTPStatus.SERVICE_UNAVAILABLE and any(
                name == b"retry-after" for name, _ in message["headers"]
            ):
                self._refused[str(HTTPStatus.SERVICE_UNAVAILABLE.value)] += 1
            return send(message)

        await self._app(scope, receive, counting)
