"""Leaving to another process what it is rebuilding."""

from asyncio import sleep
from collections.abc import Awaitable, Callable

LOOK_AGAIN_SECONDS = 1.0
PATIENCE_LOOKS = 10
"""Looks in a row that find no progress: then who rebuilds is taken to have ended before its end."""


async def left_to_the_rebuilder(stands: Callable[[], Awaitable[int]], reached: int) -> None:
    """Wait until a read model stands where it stood before, or nobody moves it forward any more.

    `stands` tells up to which entry it is folded now; `reached` is how far it was. Who folded the
    same entries beside the rebuilder would do so for nothing, and hold up its own writers by it.
    """
    idle = 0
    upto = await stands()
    while upto < reached and idle < PATIENCE_LOOKS:
        await sleep(LOOK_AGAIN_SECONDS)
        before, upto = upto, await stands()
        idle = idle + 1 if upto == before else 0
