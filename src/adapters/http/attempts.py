"""How often somebody may be wrong about a token."""

import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

from .problems import HttpError

MAX_FAILURES = 10
WINDOW_SECONDS = 60
MAX_CLIENTS = 10_000
IPV6_NETWORK_BITS = 64
"""Whoever has one address of IPv6 has the whole network that it lies in."""

WRONG, LIMITED = "wrong", "limited"


class TooManyAttempts(HttpError):
    """The client was wrong too often within a minute."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class _Failures:
    """What one client got wrong within a minute, and the tokens that it tried."""

    __slots__ = ("count", "tried")

    def __init__(self) -> None:
        self.count = 0
        self.tried: set[int] = set()


class Attempts:
    """Counts the failures of each client address within a fixed minute.

    A client that tried `MAX_FAILURES` different tokens is guessing, and is not listened to any
    more. One that sends the same wrong token again and again is not, such as an exporter that was
    not told of a new one: it is refused, but others at the same address, behind a proxy, are not.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        counts: Counter[str] | None = None,
        on_guessing: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Count by `now`, in seconds.

        `counts` gets how many tokens were wrong, and how many not looked at. `on_guessing` is told
        the first client of each minute that is not listened to.
        """
        self._now = now
        self._counts = Counter[str]() if counts is None else counts
        self._on_guessing = on_guessing
        self._minute = 0
        self._failures: dict[str, _Failures] = {}
        self._is_told = False

    @property
    def some_failed(self) -> bool:
        """Whether anybody has to be looked up at all."""
        return bool(self._failures)

    def allow(self, client: str) -> None:
        """Raises `TooManyAttempts` with the time to wait where the client is guessing."""
        self._forget_what_is_over()
        found = self._failures.get(_place(client))
        if found is not None and len(found.tried) >= MAX_FAILURES:
            self._refuse(client)

    def fail(self, client: str, token: bytes) -> None:
        """Count a wrong token.

        Raises `TooManyAttempts` where the client has failed too often before, or so many others
        have that there is no room to count it.
        """
        self._forget_what_is_over()
        place = _place(client)
        found = self._failures.get(place)
        if found is None:
            if len(self._failures) >= MAX_CLIENTS:
                self._refuse(client)
            found = self._failures[place] = _Failures()
        found.count += 1
        if len(found.tried) < MAX_FAILURES:
            found.tried.add(hash(token))
        if found.count > MAX_FAILURES:
            self._refuse(client)
        self._counts[WRONG] += 1

    def _forget_what_is_over(self) -> None:
        minute = int(self._now() // WINDOW_SECONDS)
        if minute != self._minute:
            self._minute = minute
            self._failures.clear()
            self._is_told = False

    def _refuse(self, client: str) -> None:
        self._counts[LIMITED] += 1
        if not self._is_told:
            self._is_told = True
            self._on_guessing(client)
        wait = int(WINDOW_SECONDS - self._now() % WINDOW_SECONDS) + 1
        detail = "Too many wrong tokens came from here: wait a minute."
        raise TooManyAttempts(detail, {"retry-after": str(wait)})


def _place(client: str) -> str:
    """What is counted as one client: an address, or a network of IPv6."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - IPV6_NETWORK_BITS):x}::"
