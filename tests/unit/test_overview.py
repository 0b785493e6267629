"""What needs attention, and what does not."""

import numpy as np
import pytest
from opsboard.domain.comparison import NO_TRAFFIC, Compared, Traffic
from opsboard.domain.error_group import Change, ErrorGroup
from opsboard.domain.overview import (
    Activity,
    Finding,
    Kind,
    Observed,
    State,
    findings,
    most_urgent_first,
    new_errors,
    state,
)


def traffic(count: int = 3_000, errors: int = 0, p95_ms: float = 100) -> Traffic:
    return Traffic(count, errors, count / 3_600, errors / count, p95_ms / 2, p95_ms, p95_ms * 2)


def observed(
    before: Traffic | None = None,
    now: Traffic | None = None,
    *,
    errors_z: float = 0,
    p95_z: float = 0,
    parts: list[int] | None = None,
    service: str = "shop",
) -> Observed:
    compared = Compared(before or traffic(), now or traffic(), errors_z, 0, p95_z)
    activity = Activity(np.array(parts or [50] * 120), 60)
    return Observed(service, "2026-01-31T09:00:00.000Z", compared, [activity])


def found(of: Observed, services: int = 1) -> list[tuple[Kind, str]]:
    return [(finding.kind, finding.text) for finding in findings(of, services)]


def test_all_is_well() -> None:
    calm = observed()
    assert findings(calm, 1) == []
    assert state(calm, []) is State.OK


def test_more_errors() -> None:
    worse = observed(traffic(errors=3), traffic(errors=60), errors_z=7)
    assert found(worse) == [(Kind.ERRORS_UP, "errors 0.1 % to 2 %")]
    assert state(worse, findings(worse, 1)) is State.FAILING


@pytest.mark.parametrize(
    ("before", "now", "z"),
    [(3, 60, 3.2), (300, 400, 9), (0, 2, 9), (30, 29, 9)],
    ids=["chance", "few more", "few at all", "less"],
)
def test_no_more_errors_than_is_worth_attention(before: int, now: int, z: float) -> None:
    calm = observed(traffic(10_000, before), traffic(10_000, now), errors_z=z)
    assert findings(calm, 1) == []


def test_the_more_services_the_surer_it_has_to_be() -> None:
    worse = observed(traffic(errors=3), traffic(errors=60), errors_z=3.6)
    assert found(worse, services=1)
    assert not found(worse, services=10)


def test_failing_all_the_time_is_failing() -> None:
    bad = observed(traffic(errors=300), traffic(errors=300))
    assert found(bad) == [(Kind.FAILING, "10 % of requests fail")]
    assert state(bad, findings(bad, 1)) is State.FAILING
    assert found(observed(now=traffic(count=20, errors=4))) == []


def test_slower() -> None:
    slow = observed(now=traffic(p95_ms=138), p95_z=12)
    assert found(slow) == [(Kind.LATENCY_UP, "p95 +38 %: 100 ms to 138 ms")]
    assert state(slow, findings(slow, 1)) is State.OK
    assert found(observed(now=traffic(p95_ms=120), p95_z=12)) == []
    assert found(observed(now=traffic(p95_ms=138), p95_z=2)) == []
    assert found(observed(before=NO_TRAFFIC, now=traffic(p95_ms=138), p95_z=12)) == []


@pytest.mark.parametrize(
    ("parts", "seconds"),
    [
        ([10] * 115 + [0] * 5, 240),
        ([1] * 109 + [0] * 11, 600),
        ([10, 0, 0] * 30 + [0] * 30, 31 * 60),
        ([0] * 100 + [10] * 10 + [0] * 10, 540),
        ([10] * 119 + [0], None),
        ([1] * 111 + [0] * 9, None),
        ([50] + [0] * 19 + [50] + [0] * 39, None),
        ([50] + [0] * 19 + [50] + [0] * 41, 40 * 60),
        ([0] * 120, None),
        ([0] * 60 + [10] * 60, None),
    ],
)
def test_traffic_is_gone_when_silence_is_more_than_chance(
    parts: list[int], seconds: float | None
) -> None:
    assert Activity(np.array(parts), 60).gone_for == seconds


def test_gone_says_for_how_long_and_nothing_else() -> None:
    gone = observed(now=traffic(errors=900), errors_z=30, parts=[10] * 100 + [0] * 20)
    assert found(gone) == [(Kind.TRAFFIC_GONE, "no request for 19 min")]
    assert state(gone, findings(gone, 1)) is State.GONE
    hours = Activity(np.array([100] * 43 + [0] * 5), 3_600)
    both = Observed(
        gone.service, gone.last_seen, gone.compared, [Activity(np.zeros(9, np.int64), 60), hours]
    )
    assert found(both) == [(Kind.TRAFFIC_GONE, "no request for 4 h")]


def test_no_request_and_none_expected_is_quiet() -> None:
    quiet = observed(NO_TRAFFIC, NO_TRAFFIC, parts=[0] * 120)
    assert findings(quiet, 1) == []
    assert state(quiet, []) is State.QUIET


def test_the_most_urgent_comes_first_and_of_those_the_busiest() -> None:
    error = Finding(Kind.NEW_ERROR, "shop", "new error: ValueError: no cart", "abc")
    slow = Finding(Kind.LATENCY_UP, "shop", "slow")
    small = Finding(Kind.ERRORS_UP, "small", "errors")
    busy = Finding(Kind.ERRORS_UP, "shop", "errors")
    gone = Finding(Kind.TRAFFIC_GONE, "small", "gone")
    services = [observed(traffic(10), traffic(10), service="small"), observed()]
    wanted = [gone, busy, small, error, slow]
    assert most_urgent_first([slow, small, error, gone, busy], services) == wanted


def group(fingerprint: str, first_seen: int, message: str = "no cart") -> ErrorGroup:
    return ErrorGroup(
        fingerprint, "ValueError", message, first_seen, 900, services={"api": 1, "shop": 4}
    )


def test_errors_that_are_new_or_back() -> None:
    new, old, mended, back, back_before = (
        group("new", 500, message="no cart\nin two lines"),
        group("old", 499),
        group("mended", 600),
        group("back", 100),
        group("back before", 100),
    )
    mended.resolve(Change(700))
    for each, at in ((back, 600), (back_before, 450)):
        each.resolve(Change(200))
        each.reopen(Change(at))
    found = new_errors([new, old, mended, back, back_before], None, 500, 800)
    assert found == [
        Finding(Kind.NEW_ERROR, "shop", "new error: ValueError: no cart...", "new"),
        Finding(Kind.NEW_ERROR, "shop", "error is back: ValueError: no cart", "back"),
    ]
    assert [each.service for each in new_errors([new], "api", 500, 800)] == ["api"]
    assert new_errors([new], "other", 500, 800) == []
    assert new_errors([new], None, 400, 500) == []
    (long,) = new_errors([group("long", 500, "x" * 500)], None, 500, 800)
    assert len(long.text) < 160
    assert len(new_errors([group(str(n), 500) for n in range(99)], None, 500, 800)) == 20
