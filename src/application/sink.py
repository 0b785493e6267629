"""Where the middleware and the logging handler put what they see: apart, since it is light.

None of these methods ever fails or waits.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ..domain.series_key import SeriesKey


class SampleSink(Protocol):
    """What the latency middleware hands its samples to."""

    def series(self, key: SeriesKey) -> int:
        """A number for a series, to observe it by."""
        ...

    def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
        """Take one sample: its series' number, latency in ns, and end in ns since 1970."""
        ...


@runtime_checkable
class EventSink(Protocol):
    """What takes operational events from those that can not wait for them to be recorded."""

    def say_later(self, make: Callable[[], Mapping[str, Any]]) -> None:
        """Take an event: `make` gives its fields, and is called where time does not matter."""
        ...


@runtime_checkable
class ExceptionSink(Protocol):
    """A sample sink that also takes what handlers raised."""

    def caught(self, error: Exception, *, service: str, route: str, method: str) -> None:
        """Take an exception that no handler took."""
        ...


@runtime_checkable
class SettlingSink(Protocol):
    """A sample sink that has to be told when the app ends."""

    async def settle(self) -> None:
        """Hand on what waits; returns after some seconds even where that is not possible."""
        ...
