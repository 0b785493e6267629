"""The numbers of the series that a middleware has seen."""

from collections.abc import Callable
from typing import TypeAlias

from ...domain.series_key import KNOWN_METHODS, OTHER_METHOD, SeriesKey

MAX_SERIES = 10_000

Where: TypeAlias = tuple[str, str, int]
"""Route template, method as it came in, and status code."""


class SeriesNumbers(dict[Where, int]):
    """A service's series, each with the number that a sink gave it.

    A series that is not in it yet is asked for; past `MAX_SERIES` of them, it is asked for each
    time. A mapping itself, since a method would cost every request a call.
    """

    def __init__(self, service: str, ask: Callable[[SeriesKey], int]) -> None:
        """Ask for series of `service` by `ask`."""
        super().__init__()
        self._service = service
        self._ask = ask

    def __missing__(self, where: Where) -> int:
        """The number that the sink gives; methods that HTTP does not know share one."""
        route, method, status = where
        if method not in KNOWN_METHODS:
            method = OTHER_METHOD
        number = self._ask(SeriesKey(self._service, route, method, status))
        if len(self) < MAX_SERIES:
            self[where] = number
        return number
