"""The events stream as those read it who want all of it, on every store."""

import asyncio

from opsboard.application.event_feed import EventFeed, EventPage
from opsboard.application.ports import Store
from opsboard.domain.entry import Stream
from opsboard.domain.event import OperationalEvent

from ...fakes import START_NS
from ...patience import patiently


def events(count: int) -> list[OperationalEvent]:
    return [
        OperationalEvent.say(ts=START_NS, level="INFO", type="OPS", message=f"event {n}")
        for n in range(1, count + 1)
    ]


def ids(page: EventPage) -> list[int]:
    return [recorded.id for recorded in page.events]


async def test_pages_follow_each_other_without_gap_or_double(store: Store) -> None:
    await store.journal.append(Stream.EVENTS, events(7))
    feed = EventFeed(store.journal)
    assert await feed.newest() == 7
    seen = []
    place = 0
    while (page := await feed.page(place, 3)).events:
        assert page.after == place
        seen += ids(page)
        place = page.upto
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert place == 7


async def test_what_retention_removed_is_passed_over(store: Store) -> None:
    await store.journal.append(Stream.EVENTS, events(7))
    await store.journal.trim(Stream.EVENTS, 4)
    page = await EventFeed(store.journal).page(0, 2)
    assert (page.after, page.upto, ids(page)) == (4, 6, [5, 6])


async def test_following_gives_what_is_there_and_what_comes(store: Store) -> None:
    await store.journal.append(Stream.EVENTS, events(2))
    feed = EventFeed(store.journal)
    seen: list[int] = []

    async def follow() -> None:
        async for page in feed.follow(1):
            assert page.after == (seen or [1])[-1]
            seen.extend(ids(page))
            if page.upto == 4:
                return

    following = asyncio.create_task(follow())
    while not seen:
        await asyncio.sleep(0)
    await store.journal.append(Stream.EVENTS, events(2))
    async with patiently():
        await following
    assert seen == [2, 3, 4]
