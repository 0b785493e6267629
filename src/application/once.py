"""What is sent again is recorded once, also while the first try is still on its way."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ..domain.of_each import first_of_each
from ..domain.recent_ids import RecentIds
from ..domain.sample import Ints
from .ports import Clock

MINUTE_NS = 60 * 1_000_000_000
RESENT_WITHIN_NS = 10 * MINUTE_NS


class Once:
    """Remembers what was recorded by its id, for ten minutes, as far as `RecentIds` has room."""

    def __init__(self, clock: Clock, recent: RecentIds | None = None) -> None:
        """Know nothing yet."""
        self._clock = clock
        self._recent = RecentIds(RESENT_WITHIN_NS) if recent is None else recent
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def record(self, ids: Ints, append: Callable[[Ints], Awaitable[None]]) -> int:
        """Hand `append` the places of the ids that are new, and return when it did its work.

        Gives how many were new. An id that another call has under way is waited for: it is new if
        that one fails. What `append` raises is raised, and then none of them counts as recorded.
        It comes to its end also where the caller is cancelled: a part of it may be durable.
        """
        places = first_of_each(ids)
        new = await self._new(ids, places)
        if not len(new):
            return 0
        task = asyncio.ensure_future(self._append(ids[new], new, append))
        self._under_way |= dict.fromkeys(ids[new].tolist(), task)
        await asyncio.shield(task)
        return len(new)

    async def _new(self, ids: Ints, places: Ints) -> Ints:
        while True:
            new = places[~self._recent.known(ids[places])]
            others = self._others(ids[new])
            if not others:
                return new
            await asyncio.wait(others)

    def _others(self, ids: Ints) -> set[asyncio.Task[None]]:
        if not self._under_way:
            return set()
        return {self._under_way[id] for id in self._under_way.keys() & ids.tolist()}

    async def _append(
        self, ids: Ints, places: Ints, append: Callable[[Ints], Awaitable[None]]
    ) -> None:
        try:
            await append(places)
            self._recent.add(ids, self._clock.monotonic())
        finally:
            deque(map(self._under_way.pop, ids.tolist()), maxlen=0)
