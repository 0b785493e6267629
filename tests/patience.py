"""How tests wait for what must happen.

How soon it happens proves nothing, and a machine that is busy elsewhere takes long: only what never
comes is a failure, and may take its time to become one.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from opsboard.domain.instant import NS_PER_MS

SECONDS = 240.0
_LOOK_EVERY_SECONDS = 0.01

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str = "it never came") -> T:
    """What is found, as soon as that is something."""
    end = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < end, what
        time.sleep(_LOOK_EVERY_SECONDS)
    return found


async def until(holds: Callable[[], object], what: str = "it never held") -> None:
    """Let the loop run until it holds."""
    async with patiently():
        while not holds():
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


def next_millisecond() -> None:
    """Of what comes now, nothing has the time of what was before."""
    begun = time.time_ns() // NS_PER_MS
    eventually(lambda: time.time_ns() // NS_PER_MS > begun)


def patiently() -> asyncio.Timeout:
    """For a block of the loop's that must come to its end."""
    return asyncio.timeout(SECONDS)
