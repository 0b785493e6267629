"""How services are, and what needs attention first."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
import numpy as np

from .comparison import Compared, Traffic
from .error_group import ErrorGroup
from .error_group import State as ErrorState
from .sample import Ints
from .significance import critical
from .words_for_numbers import milliseconds, percent, signed_percent

CONFIDENCE = 0.999
"""That a difference is none of chance, over all services together: this page is looked at often."""
RELEVANT_ERRORS = 0.5
RELEVANT_LATENCY = 0.25
"""Relative changes that are worth attention, however sure they are."""
LEAST_ERROR_RATE = 0.001
FAILING = 0.05
LEAST_FAILED = 5
"""From this share of errors on, of so many at least, a service is failing, whatever it was before.
"""
MISSED = 10.0
"""Requests that should have come in a silence: chance leaves out so many once in 22,000 times."""
LEAST_SILENCE = 2
"""Parts of a window that may be silent because samples are on their way."""
MAX_NEW_ERRORS = 20
MAX_LINE = 120


class State(StrEnum):
    """How a service is, in a word."""

    OK = "ok"
    FAILING = "failing"
    QUIET = "quiet"
    GONE = "gone"


class Kind(StrEnum):
    """What needs attention, the most urgent first."""

    TRAFFIC_GONE = "traffic_gone"
    FAILING = "failing"
    ERRORS_UP = "errors_up"
    NEW_ERROR = "new_error"
    LATENCY_UP = "latency_up"


_URGENCY = {kind: place for place, kind in enumerate(Kind)}


class Finding(msgspec.Struct, frozen=True):
    """One thing that needs attention; `fingerprint` is that of an error group."""

    kind: Kind
    service: str
    text: str
    fingerprint: str | None = None


class ServiceOverview(msgspec.Struct, frozen=True):
    """A service in the window, and in the one before it."""

    service: str
    state: State
    last_seen: str
    now: Traffic
    before: Traffic


class Activity(msgspec.Struct, frozen=True):
    """The requests of a service, part by part, up to the end of the window."""

    parts: Ints
    part_seconds: float

    @property
    def gone_for(self) -> float | None:
        """For how many seconds requests should have come, and did not; None where that is chance.

        The silence has to be more than twice as long as any before it, and long enough for
        `MISSED` requests at the rate until then (of a Poisson process: e^-10 that none comes).
        """
        some = np.flatnonzero(self.parts)
        # The last part is not over yet.
        silent = len(self.parts) - 2 - int(some[-1]) if len(some) else 0
        if silent < LEAST_SILENCE:
            return None
        lively = self.parts[some[0] : some[-1] + 1]
        longest = max((int(gap) - 1 for gap in np.diff(some)), default=0)
        missed = silent * float(lively.sum()) / len(lively)
        return silent * self.part_seconds if silent > 2 * longest and missed >= MISSED else None


class Observed(msgspec.Struct, frozen=True):
    """What is known of a service: its two windows, and how active it was on one or more scales."""

    service: str
    last_seen: str
    compared: Compared
    activities: Sequence[Activity]


def state(observed: Observed, findings: Sequence[Finding]) -> State:
    """How a service is, with what was found about it."""
    kinds = {finding.kind for finding in findings}
    if Kind.TRAFFIC_GONE in kinds:
        return State.GONE
    if not observed.compared.after.count:
        return State.QUIET
    return State.FAILING if {Kind.FAILING, Kind.ERRORS_UP} & kinds else State.OK


def findings(observed: Observed, services: int) -> list[Finding]:
    """What needs attention about one of so many services."""
    gone = [activity.gone_for for activity in observed.activities]
    silence = next((seconds for seconds in gone if seconds is not None), None)
    if silence is not None:
        return [Finding(Kind.TRAFFIC_GONE, observed.service, f"no request for {_span(silence)}")]
    sure = critical(CONFIDENCE, max(1, services))
    found = (_failing(observed, sure), _slower(observed, sure))
    return [finding for finding in found if finding is not None]


def _failing(observed: Observed, sure: float) -> Finding | None:
    compared = observed.compared
    before, now = compared.before, compared.after
    was, rate = before.error_rate or 0.0, now.error_rate or 0.0
    if compared.errors_z > sure and rate >= max(was * (1 + RELEVANT_ERRORS), LEAST_ERROR_RATE):
        text = f"errors {percent(was)} to {percent(rate)}"
        return Finding(Kind.ERRORS_UP, observed.service, text)
    if rate >= FAILING and now.errors >= LEAST_FAILED:
        return Finding(Kind.FAILING, observed.service, f"{percent(rate)} of requests fail")
    return None


def _slower(observed: Observed, sure: float) -> Finding | None:
    compared = observed.compared
    was, p95_ms = compared.before.p95_ms, compared.after.p95_ms
    if not was or p95_ms is None or compared.p95_z <= sure:
        return None
    change = (p95_ms - was) / was
    if change < RELEVANT_LATENCY:
        return None
    text = f"p95 {signed_percent(change)}: {milliseconds(was)} to {milliseconds(p95_ms)}"
    return Finding(Kind.LATENCY_UP, observed.service, text)


def new_errors(
    groups: Iterable[ErrorGroup], service: str | None, since_ns: int, until_ns: int
) -> list[Finding]:
    """Errors that came for the first time in [since, until), or came back; not what is resolved."""
    found = []
    for group in groups:
        came = {ErrorState.OPEN: ("new error", group.first_seen)}
        if group.reopened is not None:
            came[ErrorState.REOPENED] = ("error is back", group.reopened.at)
        said, at = came.get(group.state, ("", -1))
        if since_ns <= at < until_ns and (service is None or service in group.services):
            of = service or max(group.services, key=lambda name: group.services[name])
            text = f"{said}: {group.type}: {_first_line(group.message)}"
            found.append(Finding(Kind.NEW_ERROR, of, text, group.fingerprint))
    return found[:MAX_NEW_ERRORS]


def _first_line(message: str) -> str:
    line, _, rest = message.strip().partition("\n")
    return f"{line[:MAX_LINE]}..." if rest or len(line) > MAX_LINE else line


def most_urgent_first(found: Sequence[Finding], observed: Sequence[Observed]) -> list[Finding]:
    """The findings in the order in which to look at them: by kind, the busiest service first."""
    busy = {
        each.service: each.compared.before.count + each.compared.after.count for each in observed
    }
    return sorted(
        found, key=lambda f: (_URGENCY[f.kind], -busy.get(f.service, 0), f.service, f.text)
    )


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
