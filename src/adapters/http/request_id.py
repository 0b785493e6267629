"""An id for each request: its answer has it, and what the log says about it."""

import itertools
import re
import secrets
from collections.abc import Awaitable
from contextvars import ContextVar

from .middleware import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"

current: ContextVar[str] = ContextVar("opsboard_request_id", default="")
"""The id of the request that is being answered; empty outside of one."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives each request an id: the one that a client or a proxy sent with it, or one of its own.

    Its own are a number within a random beginning, which costs less than a random one each.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app
        self._beginning = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id = _given(scope) or f"{self._beginning}{next(self._numbers):016x}"
        field = (HEADER, id.encode())

        def send_with_id(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), field]
            return send(message)

        before = current.set(id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            current.reset(before)


def _given(scope: Scope) -> str:
    """The id that the request came with, if it is one that may stand in an answer and a log."""
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode() if _ID.fullmatch(value) else ""
    return ""
