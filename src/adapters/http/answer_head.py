"""What the head of every answer has, and what is counted by it: one wrapper for all of it."""

from collections.abc import Awaitable

from . import request_id
from .middleware import ASGIApp, Message, Receive, Scope, Send
from .refusals import Refusals
from .request_id import RequestIds
from .security_headers import security_headers


class AnswerHead:
    """Gives each request an id, and its answer the id and the security headers.

    An answer that asks to come again later is counted.
    """

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        """Wrap `app`; count in `refusals`."""
        self._app = app
        self._refusals = refusals
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id = self._ids.of(scope["headers"])

        def send_complete(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                self._refusals.note(message["status"], headers)
                message["headers"] = [
                    *headers,
                    *security_headers(headers),
                    (request_id.HEADER, id.encode()),
                ]
            return send(message)

        before = request_id.current.set(id)
        try:
            await self._app(scope, receive, send_complete)
        finally:
            request_id.current.reset(before)
