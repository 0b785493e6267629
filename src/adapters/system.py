"""This machine's clock and source of randomness."""

import time
import uuid


class SystemClock:
    """The operating system's clocks."""

    now = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic_ns)


class RandomIds:
    """Random version 4 UUIDs."""

    def new(self) -> str:
        """See `Ids.new`."""
        return uuid.uuid4().hex
