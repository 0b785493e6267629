"""The verdict on a deploy, out of the requests before and after it."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from opsboard.domain.comparison import (
    UNSEEN,
    Compared,
    Grouped,
    Span,
    SpanFold,
    compare,
    distribution,
    endpoint_of,
)
from opsboard.domain.deploy import Change, State, Verdict, around, judge
from opsboard.domain.pending import by_span
from opsboard.domain.sample import RequestSample, SampleBatch
from opsboard.domain.series import SeriesTable
from opsboard.domain.tier import Tier, Window

from ..fakes import START_NS, sample

START_MS = START_NS // 1_000_000
MINUTES = 30
BEFORE = Window(START_MS - MINUTES * Tier.MINUTE, START_MS)
AFTER = Window(START_MS, START_MS + MINUTES * Tier.MINUTE)


def traffic(
    window: Window,
    count: int,
    *,
    route: str = "/cart",
    method: str = "POST",
    errors: int = 0,
    ms: float = 100,
    spread: float = 0.2,
) -> list[RequestSample]:
    """Requests evenly over a window; latencies are spread about `ms`, the same way each time."""
    dice = np.random.default_rng(count)
    latencies = ms * np.exp(dice.normal(0, spread, count))
    step = (window.until - window.since) / max(1, count)
    failing = set(np.linspace(0, count - 1, errors).astype(int).tolist()) if errors else set()
    return [
        sample(
            route,
            method=method,
            status=503 if i in failing else 200,
            ms=float(latency),
            ended_at=int(window.since + i * step) * 1_000_000,
        )
        for i, latency in enumerate(latencies)
    ]


def folds(
    series: SeriesTable, grouped_by_route: bool, *sides: Iterable[RequestSample]
) -> tuple[Grouped, list[SpanFold]]:
    batches = [SampleBatch.of(list(side)) for side in sides]
    ids = [series.ids_of(batch) if len(batch) else None for batch in batches]
    labels = [endpoint_of(s.key) if grouped_by_route else () for s in series.seen]
    grouped = Grouped(series, labels)
    made = []
    for window, batch, of in zip((BEFORE, AFTER), batches, ids, strict=True):
        fold = SpanFold(Span(window, Tier.MINUTE), grouped)
        if of is not None:
            for start, rollups, _, _ in by_span(of, batch.latency_ns, batch.ended_at_ms):
                fold.add(start, rollups)
        made.append(fold)
    return grouped, made


def service(before: Sequence[RequestSample], after: Sequence[RequestSample]) -> Compared:
    _, (one, other) = folds(SeriesTable(), False, before, after)
    return next(iter(compare(one, other)), UNSEEN)


def verdict(before: Sequence[RequestSample], after: Sequence[RequestSample]) -> Verdict:
    grouped, (one, other) = folds(SeriesTable(), True, before, after)
    routes = list(zip(grouped.labels, compare(one, other), strict=True))
    return judge(service(before, after), routes)


def test_both_sides_are_counted_and_measured() -> None:
    compared = service(traffic(BEFORE, 1_800, errors=18), traffic(AFTER, 3_600, errors=0, ms=200))
    assert (compared.before.count, compared.before.errors) == (1_800, 18)
    assert (compared.before.error_rate, compared.before.rate) == (0.01, 1.0)
    assert (compared.after.count, compared.after.errors, compared.after.rate) == (3_600, 0, 2.0)
    assert compared.before.p50_ms == pytest.approx(100, rel=0.03)
    assert compared.after.p95_ms == pytest.approx(200 * np.exp(1.645 * 0.2), rel=0.04)
    assert compared.after.p99_ms == pytest.approx(200 * np.exp(2.326 * 0.2), rel=0.06)


def test_the_same_traffic_is_the_same() -> None:
    found = verdict(traffic(BEFORE, 3_000, errors=30), traffic(AFTER, 3_001, errors=33))
    assert (found.state, found.changes, found.routes) == (State.SAME, [], [])
    assert found.verdict == "nothing changed beyond chance"


def test_slower_and_failing_says_what_and_where() -> None:
    fine = traffic(BEFORE, 2_000, route="/home", method="GET")
    before = [*fine, *traffic(BEFORE, 2_000, errors=4)]
    after = [
        *traffic(AFTER, 2_000, route="/home", method="GET"),
        *traffic(AFTER, 2_000, errors=200, ms=250),
    ]
    found = verdict(before, after)
    assert found.state is State.WORSE
    assert found.changes == [Change.MORE_ERRORS, Change.SLOWER]
    (route,) = found.routes
    assert (route.method, route.route) == ("POST", "/cart")
    assert route.changes == [Change.MORE_ERRORS, Change.SLOWER]
    assert (route.before.errors, route.after.errors) == (4, 200)
    assert found.verdict.startswith("errors 0.1 % to 5 %, p95 +")
    assert found.verdict.endswith("more errors on POST /cart, slower on POST /cart")


def test_faster_is_better() -> None:
    found = verdict(traffic(BEFORE, 2_000, ms=200), traffic(AFTER, 2_000, ms=150))
    assert (found.state, found.changes) == (State.BETTER, [Change.FASTER])
    assert found.verdict.startswith("p95 -2")


def test_fewer_errors_are_better_but_not_where_it_is_slower() -> None:
    before = traffic(BEFORE, 2_000, errors=200)
    better = verdict(before, traffic(AFTER, 2_000, errors=2))
    assert (better.state, better.changes) == (State.BETTER, [Change.FEWER_ERRORS])
    mixed = verdict(before, traffic(AFTER, 2_000, errors=2, ms=300))
    assert mixed.state is State.WORSE
    assert mixed.changes == [Change.FEWER_ERRORS, Change.SLOWER]


def test_a_slow_minority_shows_in_the_p95_and_a_slow_middle_in_the_p50() -> None:
    before = [*traffic(BEFORE, 2_700), *traffic(BEFORE, 300, ms=500)]
    tail = verdict(before, [*traffic(AFTER, 2_700), *traffic(AFTER, 300, ms=900)])
    assert tail.verdict.startswith("p95 +")
    middle = verdict(before, [*traffic(AFTER, 2_700, ms=140), *traffic(AFTER, 300, ms=500)])
    assert middle.verdict.startswith("p50 +")


def test_what_is_sure_but_small_is_not_worth_a_word() -> None:
    found = verdict(
        traffic(BEFORE, 20_000, spread=0.01), traffic(AFTER, 20_000, ms=104, spread=0.01)
    )
    assert found.state is State.SAME


@pytest.mark.parametrize(("before", "after"), [(3_000, 0), (0, 3_000), (99, 3_000), (3_000, 99)])
def test_too_few_says_so(before: int, after: int) -> None:
    found = verdict(traffic(BEFORE, before), traffic(AFTER, after))
    assert found.state is State.TOO_FEW
    assert found.verdict == f"too few requests to tell: {before} before, {after} after"


def test_nothing_at_all_is_too_few() -> None:
    assert judge(UNSEEN, []).state is State.TOO_FEW


def test_few_requests_that_nearly_all_fail_are_enough() -> None:
    found = verdict(traffic(BEFORE, 3_000), traffic(AFTER, 12, errors=9))
    assert (found.state, found.changes) == (State.WORSE, [Change.MORE_ERRORS])
    assert found.verdict.startswith("errors 0 % to 75 %")


def test_a_route_alone_can_be_worse() -> None:
    """What is lost among the traffic of all is found where it happens."""
    busy = traffic(BEFORE, 20_000, route="/home"), traffic(AFTER, 20_000, route="/home")
    found = verdict([*busy[0], *traffic(BEFORE, 300)], [*busy[1], *traffic(AFTER, 300, ms=400)])
    assert (found.state, found.changes) == (State.WORSE, [])
    assert found.verdict == "slower on POST /cart"


def test_chance_over_many_routes_is_still_chance() -> None:
    dice = np.random.default_rng(7)
    sides: list[list[RequestSample]] = [[], []]
    for route in range(40):
        for window, side in zip((BEFORE, AFTER), sides, strict=True):
            count = int(dice.poisson(150))
            errors = int(dice.binomial(count, 0.05))
            side.extend(traffic(window, count, route=f"/{route}", errors=errors))
    assert verdict(sides[0], sides[1]).state is State.SAME


def test_the_distribution_has_both_sides_in_the_same_rows() -> None:
    series = SeriesTable()
    before = [sample(ms=0), sample(ms=1.0), sample(ms=1.0)]
    after = [sample(ms=1.0), sample(ms=3.0)]
    _, (one, other) = folds(
        series,
        True,
        [RequestSample(s.series, s.latency_ns, BEFORE.since * 1_000_000) for s in before],
        after,
    )
    shown = distribution(one, other)
    assert shown.upto_ms[0] == pytest.approx(1.105, rel=0.15)
    assert shown.before[0] == 3
    assert shown.after[0] == shown.after[-1] == 1
    assert sum(shown.before) == 3
    assert sum(shown.after) == 2
    assert len(shown.before) == len(shown.after) == len(shown.upto_ms)
    _, (nothing, at_all) = folds(SeriesTable(), True, [], [])
    assert distribution(nothing, at_all).upto_ms == []


def test_the_windows_end_at_neighbours_and_at_now() -> None:
    at, minute = START_MS + 1_234, Tier.MINUTE
    later = START_MS + 100 * minute
    before, after = around(at, 30 * minute, [at], later)
    assert before == Window(START_MS - 29 * minute, at)
    assert after == Window(at, START_MS + 30 * minute)
    cut = around(at, 30 * minute, [at - 5_000, at - 90_000, at, at + 7_000, at + 9_000], later)
    assert cut == (Window(at - 5_000, at), Window(at, at + 7_000))
    assert around(at, 30 * minute, [], at + 10)[1] == Window(at, at + 10)
    assert around(at, 30 * minute, [], at - 10)[1] == Window(at, at)
    assert around(10, 30 * minute, [], later)[0] == Window(0, 10)
