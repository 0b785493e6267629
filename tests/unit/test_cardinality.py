import asyncio

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard
from opsboard.application.cardinality import SeriesLimit
from opsboard.domain.sample import OTHER_ROUTE, SeriesKey

from ..fakes import SECOND_NS, CountingIds, ManualClock, observe, sample


def key(route: str, *, service: str = "shop", status: int = 200) -> SeriesKey:
    return SeriesKey(service, route, "GET", status)


def test_up_to_the_limit_a_series_is_itself_and_beyond_it_the_other() -> None:
    limit = SeriesLimit(2)
    assert [limit.admit(key(route)).route for route in "abcabd"] == [
        *("a", "b", OTHER_ROUTE),
        *("a", "b", OTHER_ROUTE),
    ]
    assert limit.refused == {"shop": 2}


def test_what_stands_for_the_rest_keeps_method_and_status() -> None:
    limit = SeriesLimit(0)
    admitted = limit.admit(SeriesKey("shop", "/raw/1", "PUT", 503))
    assert admitted == SeriesKey("shop", OTHER_ROUTE, "PUT", 503)
    assert limit.admit(admitted) == admitted
    assert limit.refused == {"shop": 1}


def test_each_service_has_its_own_limit() -> None:
    limit = SeriesLimit(1)
    for service in ("shop", "api"):
        assert limit.admit(key("a", service=service)).route == "a"
        assert limit.admit(key("b", service=service)).route == OTHER_ROUTE
    assert limit.refused == {"shop": 1, "api": 1}


def test_it_tells_of_each_service_once() -> None:
    told: list[str] = []
    limit = SeriesLimit(1, told.append)
    for route in "abcd":
        limit.admit(key(route))
    assert told == ["shop"]
    for route in "abcd":
        limit.admit(key(route, service="api"))
    assert told == ["shop", "api"]


def test_series_that_are_known_already_are_admitted_whatever_the_limit() -> None:
    limit = SeriesLimit(2)
    for route in "abc":
        limit.learn(key(route))
        limit.learn(key(route))
    assert [limit.admit(key(route)).route for route in "abc"] == ["a", "b", "c"]
    assert limit.admit(key("d")).route == OTHER_ROUTE


def test_the_other_route_takes_no_place() -> None:
    limit = SeriesLimit(1)
    limit.learn(key(OTHER_ROUTE))
    limit.learn(key(OTHER_ROUTE, status=500))
    assert limit.admit(key("a")).route == "a"


async def test_the_board_counts_the_rest_as_other_and_says_so_once(
    memory: MemoryStore, clock: ManualClock
) -> None:
    async with Opsboard(memory, clock, CountingIds(), max_series=2) as board:
        assert (await board.health.ready())["series"].detail == "no service has more than 2"
        observe(board, *(sample(f"/raw/{n}") for n in range(5)))
        await board.record_samples([sample(f"/raw/{n}") for n in range(3, 8)])
        snapshot = await board.metrics()
        assert [(row.route, row.count) for row in snapshot.requests] == [
            (OTHER_ROUTE, 8),
            ("/raw/0", 1),
            ("/raw/1", 1),
        ]
        check = (await board.health.ready())["series"]
        assert check.ok
        assert check.detail == "more than 2 in shop: the rest count as (other)"
        while board._said:
            await asyncio.sleep(0)
        (event,) = (await board.event_queries.search()).events
        assert event.event.message == "shop has 2 series: more count as the route (other)"
        assert (event.event.level, event.event.service) == ("WARN", "shop")
        assert event.event.meta["max_series"] == 2


@pytest.mark.parametrize(("days", "told"), [(0, 1), (1, 2)])
async def test_a_restart_knows_the_series_and_tells_again_only_the_next_day(
    memory: MemoryStore, clock: ManualClock, days: int, told: int
) -> None:
    async with Opsboard(memory, clock, CountingIds(), max_series=1) as board:
        observe(board, sample("/a"), sample("/b"))
    clock.advance(days * 86_400 * SECOND_NS)
    ids = CountingIds()
    ids.given = 1_000
    async with Opsboard(memory, clock, ids, max_series=1) as board:
        observe(board, sample("/a"), sample("/c"))
        assert [(r.route, r.count) for r in (await board.metrics()).requests] == [
            (OTHER_ROUTE, 2),
            ("/a", 2),
        ]
        while board._said:
            await asyncio.sleep(0)
        assert len((await board.event_queries.search()).events) == told
