"""Error groups as a fold: counts, states, bounds, whatever the order and the pages."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.application.project_errors import decode_groups, encode_groups
from opsboard.domain import error_group
from opsboard.domain.error_group import (
    DAY_NS,
    HOUR_NS,
    MAX_EVENTS,
    MAX_NAMES,
    OTHER,
    REOPENED_TYPE,
    RESOLVED_TYPE,
    ErrorFilter,
    ErrorGroup,
    ErrorGroups,
    State,
)
from opsboard.domain.event import OperationalEvent
from opsboard.domain.words import TextQuery

from ..fakes import SECOND_NS, START_NS


def event(
    kind: str = "KeyError", at: int = 0, service: str = "shop", type: str = "OPS", **meta: Any
) -> OperationalEvent:
    """An exception of a kind, without a trace, `at` seconds after the start."""
    known = {"exception.type": kind} if kind else {}
    return OperationalEvent.say(
        ts=START_NS + at * SECOND_NS,
        level="ERROR",
        type=type,
        service=service,
        message=kind or "said",
        meta={**known, **meta},
    )


def said(type: str, fingerprint: Any, at: int = 0, **meta: Any) -> OperationalEvent:
    return event("", at, type=type, fingerprint=fingerprint, **meta)


def folded(events: list[OperationalEvent]) -> ErrorGroups:
    groups = ErrorGroups()
    for id, each in enumerate(events, start=1):
        groups.evolve(id, each)
    return groups


def only(groups: ErrorGroups) -> ErrorGroup:
    (group,) = groups.newest_first()
    return group


def test_occurrences_of_one_error_are_counted_together() -> None:
    route: dict[str, Any] = {"http.route": "/cart/{id}", "exception.message": "7"}
    group = only(
        folded([event(**route), event("", at=1), event(at=5, **route), event(at=3, **route)])
    )
    assert (group.type, group.message, group.count) == ("KeyError", "7", 3)
    assert (group.first_seen, group.last_seen) == (START_NS, START_NS + 5 * SECOND_NS)
    assert (group.events, group.newest) == ([1, 3, 4], 4)
    assert group.services == {"shop": 3}
    assert group.routes == {("shop", "/cart/{id}"): 3}
    assert group.state is State.OPEN


def test_services_that_share_code_share_a_group() -> None:
    stack: Any = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\nKeyError: 1'
    groups = folded(
        [event(service=name, **{"exception.stacktrace": stack}) for name in ("web", "job")]
    )
    assert only(groups).services == {"web": 1, "job": 1}


@pytest.mark.parametrize("at", [0, 1])
def test_an_occurrence_after_it_was_resolved_reopens_it(at: int) -> None:
    first = event()
    name = only(folded([first])).fingerprint
    resolved = said(RESOLVED_TYPE, name, by="ada", note="mended")
    group = only(folded([first, resolved]))
    assert group.state is State.RESOLVED
    assert group.resolved == error_group.Change(START_NS, "ada", "mended")
    group = only(folded([first, resolved, event(at=at)]))
    assert (group.state, group.count) == (State.REOPENED, 2)
    assert group.reopened == error_group.Change(START_NS + at * SECOND_NS)
    assert group.resolved is not None


def test_an_occurrence_from_before_it_was_resolved_reopens_nothing() -> None:
    name = only(folded([event()])).fingerprint
    group = only(folded([event(at=1), said(RESOLVED_TYPE, name, at=9), event(at=8)]))
    assert (group.state, group.count) == (State.RESOLVED, 2)


def test_it_is_reopened_by_hand_and_resolved_again() -> None:
    name = only(folded([event()])).fingerprint
    steps = [event(), said(REOPENED_TYPE, name), said(RESOLVED_TYPE, name)]
    states = [State.OPEN, State.OPEN, State.RESOLVED]
    steps += [said(REOPENED_TYPE, name, by="bob"), said(RESOLVED_TYPE, name)]
    states += [State.REOPENED, State.RESOLVED]
    for upto, state in enumerate(states, start=1):
        assert only(folded(steps[:upto])).state is state
    assert only(folded(steps)).reopened == error_group.Change(START_NS, "bob")


@pytest.mark.parametrize("name", [None, 7, [], "", "unknown", OTHER, {"a": 1}])
def test_what_resolves_no_group_changes_nothing(name: Any) -> None:
    before = folded([event()])
    assert folded([event(), said(RESOLVED_TYPE, name)]) == before


@pytest.mark.parametrize(
    "meta",
    [
        {"exception.type": 7},
        {"exception.type": None},
        {"exception.type": ["KeyError"]},
        {"exception": {"type": "KeyError"}},
    ],
)
def test_what_is_no_exception_is_no_occurrence(meta: dict[str, Any]) -> None:
    assert folded([event("", **meta)]) == ErrorGroups()


def test_meta_of_another_shape_is_passed_over() -> None:
    odd: dict[str, Any] = {
        "exception.message": 7,
        "exception.stacktrace": ["a"],
        "http.route": {"a": 1},
    }
    group = only(folded([event(**odd)]))
    assert (group.message, group.routes, group.count) == ("KeyError", {}, 1)
    nameless: dict[str, Any] = {"exception.type": ""}
    assert only(folded([event(""), event("", **nameless)])).type == ""


def test_a_trend_has_the_steps_up_to_now() -> None:
    hours = [0, 0, 1, 5, 23, 24, 30]
    group = only(folded([event(at=3600 * hour) for hour in hours]))
    now = START_NS + 30 * HOUR_NS + SECOND_NS
    since, counts = group.trend(now, HOUR_NS)
    assert since == START_NS + 7 * HOUR_NS
    assert {at: n for at, n in enumerate(counts) if n} == {16: 1, 17: 1, 23: 1}
    since, counts = group.trend(now, DAY_NS)
    assert (since % DAY_NS, len(counts), counts[-3:]) == (0, 30, [0, 4, 3])
    assert group.trend(now + 100 * DAY_NS, DAY_NS)[1] == [0] * 30


def test_what_a_group_holds_is_bounded() -> None:
    many = [event(at=3600 * n, **(TRACE | {"http.route": f"/{n}"})) for n in range(2_000)]
    many += [event(service=f"s{n}", **TRACE) for n in range(100)]
    group = only(folded(many))
    assert group.count == sum(group.services.values()) == 2_100
    assert sum(group.routes.values()) == 2_000
    assert group.services[OTHER] == 100 - (MAX_NAMES - 1)
    assert group.routes[OTHER, OTHER] == 2_000 - MAX_NAMES
    assert len(group.services) == len(group.routes) == MAX_NAMES + 1
    assert group.events == list(range(2_101 - MAX_EVENTS, 2_101))
    assert len(group.hours) <= 25
    assert len(group.days) <= 31
    assert len(encode_groups(folded(many), 1).state or b"") < 15_000


TRACE: dict[str, Any] = {
    "exception.stacktrace": 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n'
}


@pytest.fixture
def three_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_group, "MAX_GROUPS", 3)


@pytest.mark.usefixtures("three_groups")
def test_what_is_too_much_is_merged_from_the_least_recently_seen() -> None:
    groups = folded([event(kind) for kind in "ABCADE"])
    assert [group.type for group in groups.newest_first()] == ["E", "D", "A", OTHER]
    assert groups.merged == 2
    other = groups.get(OTHER)
    assert other is not None
    assert (other.count, other.events, other.services) == (2, [2, 3], {"shop": 2})
    assert sum(group.count for group in groups.newest_first()) == 6
    again = folded([event(kind) for kind in "ABCADEB"])
    assert [group.type for group in again.newest_first()] == ["B", "E", "D", OTHER]


@pytest.mark.usefixtures("three_groups")
def test_other_is_never_resolved() -> None:
    groups = folded([*(event(kind) for kind in "ABCD"), said(RESOLVED_TYPE, OTHER)])
    other = groups.get(OTHER)
    assert other is not None
    assert other.state is State.OPEN


EVENTS = st.lists(
    st.one_of(
        st.builds(
            event,
            st.sampled_from("ABCDEFG"),
            st.integers(0, 10**6),
            st.sampled_from(["shop", "job"]),
        ),
        st.builds(event, st.just("")),
        st.builds(
            said,
            st.sampled_from([RESOLVED_TYPE, REOPENED_TYPE]),
            st.sampled_from(
                [only(folded([event(k, service=s)])).fingerprint for k in "ABC" for s in ("shop",)]
            ),
            st.integers(0, 10**6),
        ),
    ),
    max_size=60,
)


@given(EVENTS, st.lists(st.integers(0, 60), max_size=5))
def test_a_fold_that_is_saved_and_taken_up_is_the_fold_at_once(
    events: list[OperationalEvent], cuts: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(error_group, "MAX_GROUPS", 4)
        groups = ErrorGroups()
        for id, each in enumerate(events, start=1):
            if id in cuts:
                taken_up = decode_groups(encode_groups(groups, id))
                assert taken_up is not None
                groups = taken_up
            groups.evolve(id, each)
        at_once = folded(events)
    assert groups == at_once
    assert list(groups.groups) == list(at_once.groups)


@given(EVENTS)
def test_no_occurrence_is_lost_and_the_newest_comes_first(events: list[OperationalEvent]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(error_group, "MAX_GROUPS", 4)
        groups = folded(events)
    found = list(groups.newest_first())
    occurred = [id for id, each in enumerate(events, 1) if error_group.is_exception(each)]
    assert sum(group.count for group in found) == len(occurred)
    assert sum(sum(group.services.values()) for group in found) == len(occurred)
    newest = [group.newest for group in found]
    assert newest == sorted(newest, reverse=True)
    assert newest[:1] == occurred[-1:]
    assert len(groups.groups) <= 4


@given(EVENTS, st.randoms(use_true_random=False))
def test_counts_and_times_do_not_depend_on_the_order(
    events: list[OperationalEvent], chance: Any
) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)

    def seen(groups: ErrorGroups) -> dict[str, Any]:
        return {
            name: (g.count, g.first_seen, g.last_seen, g.services, g.days)
            for name, g in groups.groups.items()
        }

    assert seen(folded(events)) == seen(folded(shuffled))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ErrorFilter(), "ab"),
        (ErrorFilter(service="shop"), "a"),
        (ErrorFilter(service="job"), "b"),
        (ErrorFilter(route="/cart/{id}"), "a"),
        (ErrorFilter(route="/cart/{id}", service="job"), ""),
        (ErrorFilter(states=frozenset({State.OPEN})), "a"),
        (ErrorFilter(states=frozenset({State.RESOLVED, State.REOPENED})), "b"),
        (ErrorFilter(since=START_NS + 10 * SECOND_NS), "b"),
        (ErrorFilter(until=START_NS + 10 * SECOND_NS), "a"),
        (ErrorFilter(query=TextQuery.parse("cart gone")), "a"),
        (ErrorFilter(query=TextQuery.parse("time*")), "b"),
    ],
)
def test_filters(wanted: ErrorFilter, found: str) -> None:
    route: dict[str, Any] = {"http.route": "/cart/{id}", "exception.message": "a cart is gone"}
    late = event("TimeoutError", at=20, service="job")
    name = only(folded([late])).fingerprint
    groups = folded([event(**route), late, said(RESOLVED_TYPE, name, at=30)])
    names = {"KeyError": "a", "TimeoutError": "b"}
    assert sorted(names[g.type] for g in groups.newest_first() if wanted.wants(g)) == list(found)


def test_a_copy_stays_as_it_is() -> None:
    groups = folded([event()])
    copy = only(groups).copy()
    before = msgspec.json.encode([copy.count, copy.events, list(copy.services.items())])
    groups.evolve(2, event())
    assert msgspec.json.encode([copy.count, copy.events, list(copy.services.items())]) == before
