from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.application.board import Opsboard
from opsboard.domain.keyed_samples import (
    MAX_VIOLATIONS,
    KeyedSamples,
    canonical,
    key_violations,
)
from opsboard.domain.sample import (
    MAX_AHEAD_MS,
    MAX_LATENCY_NS,
    RequestSample,
    SampleBatch,
    SeriesKey,
)
from opsboard.domain.validation import InvalidInput

from ..fakes import START_NS, sample

NOW_MS = START_NS // 1_000_000
GOOD = SeriesKey("shop", "/cart/{id}", "GET", 200)
Key: TypeAlias = tuple[str, str, str, int]
NONE: dict[Key, int] = {}
NAMES = st.sampled_from(["a", "b", "c"])
SAMPLES = st.lists(
    st.builds(
        RequestSample,
        st.builds(SeriesKey, NAMES, NAMES, NAMES, st.integers(100, 102)),
        st.integers(0, MAX_LATENCY_NS),
        st.integers(0, 10**6).map(lambda ms: ms * 1_000_000),
    )
)


def rows(*of: tuple[int, int]) -> KeyedSamples:
    """Rows of latency in ns and end in ms."""
    latencies, ends = zip(*of, strict=True)
    series = np.zeros(len(of), np.int64)
    return KeyedSamples([], series, np.array(latencies, np.int64), np.array(ends, np.int64))


def named(found: KeyedSamples, oldest_ms: int = 0) -> list[str]:
    return [violation.pointer for violation in found.violations(NOW_MS, oldest_ms)]


def in_full(samples: KeyedSamples, known: list[SeriesKey]) -> list[tuple[SeriesKey, int, int]]:
    return [
        (known[number] if number >= 0 else samples.new[-1 - number], latency_ns, ended_at_ms)
        for number, latency_ns, ended_at_ms in zip(
            samples.series.tolist(),
            samples.latency_ns.tolist(),
            samples.ended_at_ms.tolist(),
            strict=True,
        )
    ]


@given(SAMPLES, st.data())
def test_samples_and_their_batch_are_the_same_keyed_samples(
    samples: list[RequestSample], data: st.DataObject
) -> None:
    expected = [(each.series, each.latency_ns, each.ended_at // 1_000_000) for each in samples]
    keys = sorted({each.series for each in samples})
    known = data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []
    numbers: dict[Key, int] = {key: number for number, key in enumerate(known)}
    find = numbers.get
    batch = SampleBatch.of(samples)
    for made in (KeyedSamples.of(samples, find), KeyedSamples.of_batch(batch, find)):
        assert in_full(made, known) == expected
        assert sorted([*made.new, *known]) == keys
        assert len(made) == len(samples)


def test_what_lies_on_the_bounds_is_taken() -> None:
    bounds = [(0, 0), (MAX_LATENCY_NS, NOW_MS + MAX_AHEAD_MS), (1, NOW_MS)]
    assert rows(*bounds).violations(NOW_MS) == []


@pytest.mark.parametrize(
    ("latency_ns", "ended_at_ms", "field", "detail"),
    [
        (-1, NOW_MS, "latency_ms", "must be 0 to 86400000 ms (a day)"),
        (MAX_LATENCY_NS + 1, NOW_MS, "latency_ms", "must be 0 to 86400000 ms (a day)"),
        (0, -1, "ts", "must not lie before 1970-01-01T00:00:00.000Z"),
        (
            0,
            NOW_MS + MAX_AHEAD_MS + 1,
            "ts",
            "must lie at most a day ahead of the server's clock",
        ),
    ],
)
def test_a_bad_row_is_named_by_place_and_field(
    latency_ns: int, ended_at_ms: int, field: str, detail: str
) -> None:
    (found,) = rows((1, NOW_MS), (latency_ns, ended_at_ms)).violations(NOW_MS)
    assert (found.pointer, found.detail) == (f"/1/{field}", detail)


def test_bad_rows_are_named_in_their_order_and_only_the_first_of_them() -> None:
    bad = rows((-1, NOW_MS), (0, -1), (0, NOW_MS), (MAX_LATENCY_NS + 1, -1))
    assert named(bad) == ["/0/latency_ms", "/1/ts", "/3/latency_ms", "/3/ts"]
    many = rows(*[(0, NOW_MS), (-1, NOW_MS), (0, -1)] * 1_000)
    assert len(named(many)) == MAX_VIOLATIONS
    assert named(many)[:4] == ["/1/latency_ms", "/2/ts", "/4/latency_ms", "/5/ts"]


def test_how_old_a_sample_may_be_is_the_callers_to_say() -> None:
    old = rows((0, NOW_MS - 10), (0, NOW_MS - 11))
    assert named(old, NOW_MS - 10) == ["/1/ts"]
    (found,) = old.violations(NOW_MS, NOW_MS - 10)
    assert found.detail == "must not lie before 2026-01-31T08:59:59.990Z"


@pytest.mark.parametrize(
    "key",
    [
        GOOD,
        SeriesKey("s" * 80, "r" * 1_000, "M" * 32, 100),
        SeriesKey("ü", "(other)", "x-my.method", 999),
        SeriesKey(" ", "\n", "get", 599),
    ],
)
def test_a_key_within_the_limits(key: SeriesKey) -> None:
    assert key_violations(key) == []


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("service", "", "must be 1-80 characters, not 0"),
        ("service", "s" * 81, "must be 1-80 characters, not 81"),
        ("service", "a\0", "must not hold the character U+0000"),
        ("service", "\ud800", "must not hold a lone surrogate"),
        ("route", "", "must be 1-1000 characters, not 0"),
        ("route", "r" * 10_240, "must be 1-1000 characters, not 10240"),
        ("route", "/\0", "must not hold the character U+0000"),
        *(
            ("method", value, "must be an HTTP method: a token of 1-32 characters")
            for value in ("", "G ET", "GET\n", "Ğ", "M" * 33)
        ),
        *(("status_code", value, "must be 100 to 999") for value in (-1, 0, 99, 1_000, 10**40)),
    ],
)
def test_a_key_beyond_the_limits(field: str, value: str | int, detail: str) -> None:
    (found,) = key_violations(SeriesKey(**{**GOOD._asdict(), field: value}))
    assert (found.pointer, found.detail) == (field, detail)


def test_rows_with_a_bad_key_are_named_where_it_is_new() -> None:
    bad = sample("", method="no method", ended_at=START_NS)
    known: dict[Key, int] = {bad.series: 7}
    samples = [sample(), bad, sample(), bad, sample(ms=-1)]
    assert named(KeyedSamples.of(samples, NONE.get)) == [
        *("/1/route", "/1/method", "/3/route", "/3/method", "/4/latency_ms")
    ]
    assert named(KeyedSamples.of(samples, known.get)) == ["/4/latency_ms"]
    many = [sample(), *(sample(f"/{n}", status=99) for n in range(1_000))]
    assert named(KeyedSamples.of(many, NONE.get)) == [f"/{row}/status_code" for row in range(1, 11)]


def test_methods_count_in_upper_case_and_those_that_are_none_of_https_as_other() -> None:
    def method(said: str) -> str:
        return canonical(GOOD._replace(method=said)).method

    said = ["GET", "get", "Query", "BREW", "_OTHER", "x"]
    assert [method(each) for each in said] == ["GET", "GET", "QUERY", *["_OTHER"] * 3]


async def test_a_board_takes_no_bad_key_and_counts_a_canonical_one(board: Opsboard) -> None:
    with pytest.raises(InvalidInput) as refused:
        await board.record_samples([sample(), sample("/x" * 600), sample(service="s" * 81)])
    assert [v.pointer for v in refused.value.violations] == ["/1/route", "/2/service"]
    assert await board.record_samples([sample(method="get"), sample(method="BREW")] * 2) == 4
    rows = (await board.metrics()).requests
    assert [(row.method, row.count) for row in rows] == [("GET", 2), ("_OTHER", 2)]
