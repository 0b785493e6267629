"""An id for each request: its answer has it, and what the log says about it."""

import itertools
import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar

HEADER = b"x-request-id"

current: ContextVar[str] = ContextVar("opsboard_request_id", default="")
"""The id of the request that is being answered; empty outside of one."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives each request an id: the one that a client or a proxy sent with it, or one of its own.

    Its own are a number within a random beginning, which costs less than a random one each.
    """

    def __init__(self) -> None:
        """Choose the beginning."""
        self._beginning = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The id of the request with these headers."""
        for name, value in headers:
            if name == HEADER:
                if _ID.fullmatch(value):
                    return value.decode()
                break
        return f"{self._beginning}{next(self._numbers):016x}"
