"""What a deploy did to its service: errors and latencies before it against those after."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from .comparison import Compared, Traffic
from .instant import format_ms
from .significance import critical
from .tier import Tier, Window
from .words_for_numbers import percent, signed_percent

CONFIDENCE = 0.99
"""That a difference is none of chance, over all routes together."""
RELEVANT_ERRORS = 0.2
RELEVANT_LATENCY = 0.1
"""Relative changes that are worth a word, however sure they are."""
MIN_REQUESTS = 100
"""On either side, before "nothing changed" is said: below it, one in a hundred can not be seen."""
MAX_ROUTES = 20
ROUTES_SAID = 3


class State(StrEnum):
    """What a deploy did, in a word."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    TOO_FEW = "too_few"


class Change(StrEnum):
    """What changed about a service or one of its routes."""

    MORE_ERRORS = "more_errors"
    FEWER_ERRORS = "fewer_errors"
    SLOWER = "slower"
    FASTER = "faster"


_WORSE = frozenset({Change.MORE_ERRORS, Change.SLOWER})


class Period(msgspec.Struct, frozen=True):
    """One side of a deploy: [since, until), and its requests."""

    since: str
    until: str
    count: int
    errors: int
    rate: float
    error_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    @classmethod
    def of(cls, window: Window, traffic: Traffic) -> "Period":
        """The traffic of a window."""
        since, until = format_ms(window.since), format_ms(max(window.since, window.until))
        return cls(since, until, *msgspec.structs.astuple(traffic))


class RouteChange(msgspec.Struct, frozen=True):
    """A route that changed, and how."""

    method: str
    route: str
    changes: list[Change]
    before: Traffic
    after: Traffic


class Verdict(msgspec.Struct, frozen=True):
    """What a deploy did, for machines and in words."""

    state: State
    verdict: str
    changes: list[Change]
    routes: list[RouteChange]


def changes(compared: Compared, tests: int = 1) -> list[Change]:
    """What is beyond chance, where so many groups are looked at, and worth a word."""
    sure = critical(CONFIDENCE, tests)
    before, after = compared.before, compared.after
    found = []
    errors = _relative(before.error_rate, after.error_rate)
    if abs(compared.errors_z) > sure and abs(errors) >= RELEVANT_ERRORS:
        found.append(Change.MORE_ERRORS if compared.errors_z > 0 else Change.FEWER_ERRORS)
    quantile = _slowed(compared, sure)
    if quantile is not None:
        found.append(Change.SLOWER if quantile.change > 0 else Change.FASTER)
    return found


class _Quantile(NamedTuple):
    """A quantile that moved, and by which part of what it was."""

    name: str
    change: float


def _slowed(compared: Compared, sure: float) -> _Quantile | None:
    """The p95 if it moved for sure, or else the p50."""
    before, after = compared.before, compared.after
    for name, z, was, now in (
        ("p95", compared.p95_z, before.p95_ms, after.p95_ms),
        ("p50", compared.p50_z, before.p50_ms, after.p50_ms),
    ):
        change = _relative(was, now)
        if abs(z) > sure and abs(change) >= RELEVANT_LATENCY and (change > 0) == (z > 0):
            return _Quantile(name, change)
    return None


def _relative(before: float | None, after: float | None) -> float:
    """By which part of what it was something changed; infinite where it was nothing."""
    if before is None or after is None or before == after:
        return 0.0
    return (after - before) / before if before else float("inf")


def judge(service: Compared, routes: Sequence[tuple[tuple[str, ...], Compared]]) -> Verdict:
    """The verdict on a deploy: its service as a whole, and each of its (method, route)."""
    tests = max(1, len(routes))
    changed = sorted(
        (
            RouteChange(method, path, found, compared.before, compared.after)
            for (method, path), compared in routes
            if (found := changes(compared, tests))
        ),
        key=_weight,
    )
    found = changes(service)
    state = _state(service, found, changed)
    words = _words(service, state, changed)
    return Verdict(state, words, found, changed[:MAX_ROUTES])


def _state(service: Compared, found: Sequence[Change], routes: Sequence[RouteChange]) -> State:
    everything = {*found, *(change for route in routes for change in route.changes)}
    if everything & _WORSE:
        return State.WORSE
    if everything:
        return State.BETTER
    if min(service.before.count, service.after.count) < MIN_REQUESTS:
        return State.TOO_FEW
    return State.SAME


def _weight(route: RouteChange) -> tuple[bool, bool, int]:
    """More errors first, then slower, then what became better; the busiest of each first."""
    return (
        Change.MORE_ERRORS not in route.changes,
        Change.SLOWER not in route.changes,
        -route.after.count,
    )


def _words(service: Compared, state: State, routes: Sequence[RouteChange]) -> str:
    before, after = service.before, service.after
    if state is State.TOO_FEW:
        return f"too few requests to tell: {before.count} before, {after.count} after"
    if state is State.SAME:
        return "nothing changed beyond chance"
    said = []
    if {Change.MORE_ERRORS, Change.FEWER_ERRORS} & set(changes(service)):
        said.append(f"errors {percent(before.error_rate)} to {percent(after.error_rate)}")
    moved = _slowed(service, critical(CONFIDENCE))
    if moved is not None:
        said.append(f"{moved.name} {signed_percent(moved.change)}")
    said += [
        f"{phrase} on {route.method} {route.route}"
        for route in routes[:ROUTES_SAID]
        for change, phrase in _PHRASES.items()
        if change in route.changes
    ]
    return ", ".join(said)


_PHRASES = {
    Change.MORE_ERRORS: "more errors",
    Change.FEWER_ERRORS: "fewer errors",
    Change.SLOWER: "slower",
    Change.FASTER: "faster",
}


def around(
    at_ms: int, window_ms: int, neighbours: Sequence[int], now_ms: int
) -> tuple[Window, Window]:
    """The spans before and after a deploy: as long as asked, cut by its neighbours and by now.

    What is cut by nothing ends at a whole minute, so that no sample has to be read for it.
    """
    earlier = [at for at in neighbours if at < at_ms]
    later = [at for at in neighbours if at > at_ms]
    since = max(0, -(-(at_ms - window_ms) // Tier.MINUTE) * Tier.MINUTE)
    until = (at_ms + window_ms) // Tier.MINUTE * Tier.MINUTE
    before = Window(max([since, *earlier]), at_ms)
    after = Window(at_ms, max(at_ms, min([until, now_ms, *later])))
    return before, after
