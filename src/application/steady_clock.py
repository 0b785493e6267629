"""Whether the wall clock is to be believed with what can not be undone."""

from ..domain.entry import Stream
from .ports import Clock, Journal

HOUR_NS = 3_600 * 1_000_000_000
STEADY_NS = HOUR_NS
"""A clock that was set is believed after so long; until then, nothing goes by its word."""
LOOK_BACK_NS = 24 * HOUR_NS
TOLERANCE_NS = 60 * 1_000_000_000
"""The wall clock is set where it left the monotonic one by more, between two looks at both."""


class SteadyClock:
    """Looks at a journal and at two clocks.

    A clock that jumps a year ahead makes everything old. So it has to have shown about the time
    that it shows for an hour: either by entries that were recorded by it, in the day before that
    hour, or by this process having watched it.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        """Watch `clock` from now on."""
        self._journal = journal
        self._clock = clock
        self._since = clock.monotonic()
        self._apart = clock.now() - clock.monotonic()

    async def is_believed(self) -> bool:
        """Whether what it says was so an hour ago. Raises `StoreUnavailable`."""
        return self._was_watched() or await self._was_written_by()

    def _was_watched(self) -> bool:
        now = self._clock.monotonic()
        apart = self._clock.now() - now
        if abs(apart - self._apart) > TOLERANCE_NS:
            self._since = now
        self._apart = apart
        return now - self._since >= STEADY_NS

    async def _was_written_by(self) -> bool:
        """Whether there are entries from the day before the last hour."""
        until = self._clock.now() - STEADY_NS
        since = until - LOOK_BACK_NS
        for stream in (Stream.SAMPLES, Stream.EVENTS):
            number = await self._journal.number_at(stream, until)
            if number > await self._journal.number_at(stream, since):
                return True
        return False
