"""Which spans are samples, and of which series."""

from typing import Any

import numpy as np
import pytest
from opsboard.domain.sample import SeriesKey
from opsboard.domain.span import SpanColumns, samples_of, series_of, service_of
from opsboard.domain.validation import InvalidInput

from ..fakes import START_NS

NOW_MS = START_NS // 1_000_000
DAY = 86_400_000_000_000
GOOD_ID = b"t" * 16 + b"s" * 8


def columns(*spans: tuple[bytes, int, int]) -> SpanColumns:
    ids, starts, ends = zip(*spans, strict=True)
    return SpanColumns(
        np.zeros(len(ids), np.int64),
        np.frombuffer(b"".join(ids), np.uint64).reshape(-1, 3),
        np.array(starts, np.uint64),
        np.array(ends, np.uint64),
    )


STABLE = {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200}
OLD = {"http.method": "GET", "http.route": "/a", "http.status_code": 200}


@pytest.mark.parametrize("attributes", [STABLE, OLD, OLD | STABLE])
def test_stable_and_old_conventions_name_the_same_series(attributes: dict[str, Any]) -> None:
    assert series_of("shop", attributes, failed=False) == SeriesKey("shop", "/a", "GET", 200)


def test_where_they_differ_the_stable_ones_hold() -> None:
    mixed = OLD | {"http.request.method": "PUT", "http.response.status_code": 201}
    assert series_of("shop", mixed, failed=False) == SeriesKey("shop", "/a", "PUT", 201)


def test_a_span_without_a_method_served_no_http_request() -> None:
    assert series_of("shop", {"rpc.system": "grpc", "http.status_code": 200}, failed=True) is None


@pytest.mark.parametrize("route", [{}, {"http.route": ""}])
def test_no_route_is_never_the_path(route: dict[str, str]) -> None:
    said = {"http.request.method": "GET", "http.response.status_code": 404, "url.path": "/.env"}
    assert series_of("shop", said | route, failed=False) == SeriesKey(
        "shop", "(unmatched)", "GET", 404
    )


@pytest.mark.parametrize(("failed", "status"), [(True, 500), (False, 499)])
def test_a_span_without_a_status_code_answered_nothing(failed: bool, status: int) -> None:
    said = {"http.request.method": "GET", "http.route": "/a"}
    assert series_of("shop", said, failed=failed) == SeriesKey("shop", "/a", "GET", status)


@pytest.mark.parametrize("method", ["get", "BREW", 7, ["GET"]])
def test_a_method_that_is_none_counts_as_other(method: object) -> None:
    found = series_of("shop", STABLE | {"http.request.method": method}, failed=False)
    assert found == SeriesKey("shop", "/a", "_OTHER", 200)


def test_a_status_code_may_be_text() -> None:
    found = series_of("shop", STABLE | {"http.response.status_code": "404"}, failed=False)
    assert found == SeriesKey("shop", "/a", "GET", 404)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http.route", "/" * 1_001),
        ("http.route", "/\0"),
        ("http.route", 7),
        ("http.response.status_code", 99),
        ("http.response.status_code", 1000),
        ("http.response.status_code", "02001"),
        ("http.response.status_code", "20 0"),
        ("http.response.status_code", "²00"),
        ("http.response.status_code", True),
        ("http.response.status_code", 200.5),
    ],
)
def test_an_attribute_that_can_not_be_kept_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be"):
        series_of("shop", STABLE | {name: value}, failed=False)


def test_a_resource_without_a_name_is_an_unknown_service() -> None:
    assert service_of({"service.name": "shop"}) == "shop"
    assert service_of({}) == service_of({"service.name": ""}) == "unknown_service"
    for name in ("s" * 81, "a\0b", 7):
        with pytest.raises(InvalidInput, match=r"^service\.name must be"):
            service_of({"service.name": name})


def test_latency_and_end_are_those_of_the_span() -> None:
    found = samples_of(columns((GOOD_ID, START_NS, START_NS + 1_234_567)), NOW_MS, 0)
    assert found.good.all()
    assert (found.latency_ns.tolist(), found.ended_at_ms.tolist()) == ([1_234_567], [NOW_MS + 1])
    assert not found.faults


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ((GOOD_ID, START_NS, START_NS - 1), "a span must not end before it starts"),
        ((GOOD_ID, START_NS, 0), "a span must have an end"),
        ((GOOD_ID, START_NS - DAY - 1, START_NS), "a span must last at most a day"),
        ((GOOD_ID, 0, START_NS), "a span must last at most a day"),
        ((GOOD_ID, START_NS - DAY, START_NS - DAY), "a span must not end before 2026-01-31"),
        (
            (GOOD_ID, START_NS + 2 * DAY, START_NS + 2 * DAY),
            "a span must end at most a day ahead",
        ),
        ((GOOD_ID, 2**64 - 1, 2**64 - 1), "a span must end at most a day ahead"),
        ((bytes(24), START_NS, START_NS), "a span must have a trace id"),
        ((bytes(16) + b"s" * 8, START_NS, START_NS), "a span must have a trace id"),
        ((b"t" * 16 + bytes(8), START_NS, START_NS), "a span must have a trace id"),
    ],
)
def test_a_bad_span_is_told_from_good_ones(span: tuple[bytes, int, int], reason: str) -> None:
    good = (GOOD_ID, START_NS, START_NS)
    found = samples_of(columns(good, span, good), NOW_MS, NOW_MS - 3_600_000)
    assert found.good.tolist() == [True, False, True]
    assert found.faults.total() == 1
    assert next(iter(found.faults)).startswith(reason)
