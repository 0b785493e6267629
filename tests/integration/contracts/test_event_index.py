"""What any EventIndex must do; runs unchanged on every store."""

from collections.abc import Iterable
from typing import Any

import pytest
from opsboard.application.ports import Store
from opsboard.application.project_events import EventProjection
from opsboard.application.query_events import event_filter
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.event import EventFilter, OperationalEvent, RecordedEvent
from opsboard.domain.instant import format_instant

from ...fakes import SECOND_NS, START_NS

SAID: list[tuple[str, str, str, str, dict[str, Any]]] = [
    ("INFO", "OPS", "api", "The service started", {}),
    ("WARN", "AUDIT", "shop", "Payment of 12.50 EUR was slow", {"user": "Müller"}),
    ("ERROR", "OPS", "shop", "Payment failed", {"error": {"code": 402, "ok": False}}),
    ("INFO", "DEPLOY", "shop", 'Release "1.4.2" OR later', {"version": "1.4.2"}),
    ("DEBUG", "PAYMENTS", "api", "Überweisung; DROP TABLE event; --", {"x": ["a_b", None]}),
    ("INFO", "OPS", "worker", "日本語 テスト mail@example.com", {"path": "/cart/{id}"}),
]


def recorded() -> list[RecordedEvent]:
    return [
        RecordedEvent(
            number,
            OperationalEvent.say(
                ts=START_NS + number * SECOND_NS,
                level=level,
                type=type_,
                service=service,
                message=message,
                meta=meta,
            ),
        )
        for number, (level, type_, service, message, meta) in enumerate(SAID, start=1)
    ]


@pytest.fixture(params=[0, 3, 6], ids=["none indexed", "half indexed", "all indexed"])
async def filled(request: pytest.FixtureRequest, store: Store) -> Store:
    """The same events, whatever part of them is indexed already."""
    all_of_them = recorded()
    await store.journal.append(Stream.EVENTS, [r.event for r in all_of_them])
    upto: int = request.param
    if upto:
        assert await store.event_index.add(all_of_them[:upto], upto, 0)
    return store


def moment(seconds: int) -> str:
    return format_instant(START_NS + seconds * SECOND_NS)


QUESTIONS = [
    event_filter(),
    event_filter(level="info"),
    event_filter(type="OPS"),
    event_filter(service="shop"),
    event_filter(since=moment(3)),
    event_filter(until=moment(3)),
    event_filter(since=moment(2), until=moment(5)),
    event_filter(level="INFO", service="shop", type="DEPLOY"),
    event_filter(q="payment"),
    event_filter(q="PAYMENT failed"),
    event_filter(q="pay*"),
    event_filter(q="muller"),
    event_filter(q="uberweisung drop"),
    event_filter(q="日本語"),
    event_filter(q="日*"),
    event_filter(q="1.4.2"),
    event_filter(q="or later"),
    event_filter(q="false"),
    event_filter(q="null a_b"),
    event_filter(q="12.5*"),
    event_filter(q="type audit"),
    event_filter(q="nothing-like-this"),
    event_filter(q="payment", level="ERROR", since=moment(1)),
]


def expected(wanted: EventFilter, ids: Iterable[int] = range(7)) -> list[RecordedEvent]:
    return [r for r in reversed(recorded()) if wanted.wants(r.event) and r.id in ids]


@pytest.mark.parametrize("wanted", QUESTIONS, ids=str)
async def test_search_finds_what_the_filter_wants(filled: Store, wanted: EventFilter) -> None:
    assert await filled.event_index.search(wanted, 100) == expected(wanted)
    for before in (1, 3, 4, 5, 99):
        found = await filled.event_index.search(wanted, 100, before)
        assert found == expected(wanted, range(before))
    assert await filled.event_index.search(wanted, 2) == expected(wanted)[:2]


@pytest.mark.parametrize("wanted", QUESTIONS, ids=str)
async def test_the_summary_counts_what_search_finds(filled: Store, wanted: EventFilter) -> None:
    summary = await filled.event_index.summarise(wanted)
    found = [r.event for r in expected(wanted)]
    for counts, name in (
        (summary.by_level, "level"),
        (summary.by_service, "service"),
        (summary.by_type, "type"),
    ):
        names = [getattr(event, name) for event in found]
        assert counts == {name: names.count(name) for name in set(names)}


async def test_get_gives_one(filled: Store) -> None:
    for event in recorded():
        assert await filled.event_index.get(event.id) == event
    assert await filled.event_index.get(7) is None
    assert await filled.event_index.get(2**63 - 1) is None


async def test_the_checkpoint_guards_the_index(store: Store) -> None:
    index, events = store.event_index, recorded()
    await store.journal.append(Stream.EVENTS, [r.event for r in events])
    assert await index.checkpoint() == 0
    assert await index.add(events[:2], 2, 0)
    assert not await index.add(events[:2], 2, 0)
    assert not await index.add(events[1:4], 4, 1)
    assert await index.checkpoint() == 2
    assert await index.add(events[2:], 6, 2)
    assert [event async for event, _ in index.indexed(after=0, until=6)] == events
    assert [words async for _, words in index.indexed(after=0, until=6)] == [
        r.event.words() for r in events
    ]
    assert await index.faults() == []


async def test_a_cleared_index_is_empty_and_answers_from_the_journal(filled: Store) -> None:
    await filled.event_index.clear()
    assert await filled.event_index.checkpoint() == 0
    assert [event async for event in filled.event_index.indexed(after=0, until=6)] == []
    payment = event_filter(q="payment")
    assert await filled.event_index.search(payment, 9) == expected(payment)
    assert await filled.event_index.add(recorded(), 6, 0)
    assert await filled.event_index.faults() == []
    assert await filled.event_index.search(payment, 9) == expected(payment)


@pytest.mark.parametrize("upto", [0, 1, 4, 6])
async def test_a_trimmed_index_forgets_the_oldest(store: Store, upto: int) -> None:
    index, events = store.event_index, recorded()
    await store.journal.append(Stream.EVENTS, [r.event for r in events])
    await index.add(events, 6, 0)
    await store.journal.trim(Stream.EVENTS, upto)
    await index.trim(upto)
    await index.trim(upto)
    kept = range(upto + 1, 7)
    assert await index.checkpoint() == 6
    assert [event.id async for event, _ in index.indexed(after=0, until=6)] == list(kept)
    assert [event.id async for event, _ in index.indexed(after=4, until=5)] == [
        id for id in kept if id == 5
    ]
    for wanted in QUESTIONS:
        assert await index.search(wanted, 100) == expected(wanted, kept)
        summary = await index.summarise(wanted)
        assert sum(summary.by_level.values()) == len(expected(wanted, kept))
    assert [await index.get(r.id) for r in events] == [r if r.id in kept else None for r in events]
    assert await index.faults() == []


async def test_a_trimmed_index_goes_on(store: Store) -> None:
    index, events = store.event_index, recorded()
    await store.journal.append(Stream.EVENTS, [r.event for r in events])
    await index.add(events[:4], 4, 0)
    await store.journal.trim(Stream.EVENTS, 3)
    await index.trim(3)
    assert await index.search(event_filter(), 100) == expected(event_filter(), range(4, 7))
    assert await index.add(events[4:], 6, 4)
    payment = event_filter(q="payment")
    assert await index.search(payment, 9) == expected(payment, range(4, 7))
    assert await index.faults() == []


async def test_a_trimmed_index_can_be_cleared_and_made_anew(store: Store) -> None:
    index, events = store.event_index, recorded()
    await store.journal.append(Stream.EVENTS, [r.event for r in events])
    await index.add(events, 6, 0)
    await store.journal.trim(Stream.EVENTS, 2)
    await index.trim(2)
    await index.clear()
    await EventProjection(store.journal, index).catch_up()
    assert await index.checkpoint() == 6
    assert [event async for event, _ in index.indexed(after=0, until=6)] == events[2:]
    assert [difference async for difference in verify(store)] == []
