import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.instant import MAX_INSTANT, format_instant, parse_duration, parse_instant
from opsboard.domain.validation import InvalidInput

from ..fakes import START_NS


@given(st.integers(0, MAX_INSTANT // 1_000_000))
def test_a_moment_survives_being_written_and_read(ms: int) -> None:
    assert parse_instant(format_instant(ms * 1_000_000), "ts") == ms * 1_000_000


@pytest.mark.parametrize(
    "text",
    ["2026-01-31T09:00:00Z", "2026-01-31t09:00:00.000z", "2026-01-31 10:00:00+01:00",
     "2026-01-31T04:00:00.0-05:00"],
)  # fmt: skip
def test_the_same_moment_is_written_in_many_ways(text: str) -> None:
    assert parse_instant(text, "since") == START_NS


def test_nanoseconds_are_kept() -> None:
    assert parse_instant("2026-01-31T09:00:00.000000001Z", "since") == START_NS + 1


@pytest.mark.parametrize(
    "text",
    ["2016-12-31T23:59:60Z", "2017-01-01T00:59:60.0+01:00", "2016-12-31t18:59:60-05:00"],
)
def test_a_leap_second_counts_as_the_second_after_it(text: str) -> None:
    assert parse_instant(text, "since") == parse_instant("2017-01-01T00:00:00Z", "since")


@pytest.mark.parametrize(
    "text",
    ["2016-12-31T23:58:60Z", "2016-12-31T12:59:60Z", "2016-12-31T23:59:60+01:00",
     "2016-12-31T23:59:61Z", "", "now",
     "2026", "2026-01-31", "2026-01-31T09:00:00", "2026-13-31T09:00:00Z",
     "2026-02-30T09:00:00Z", "1969-12-31T23:59:59Z", "2026-01-31T09:00:00.Z",
     "2026-01-31T09:00:00.1234567890Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59x",
     "٢٠٢٦-01-31T09:00:00Z", "2262-04-11T23:47:16.854775808Z", "9999-12-31T23:59:59Z"],
)  # fmt: skip
def test_what_is_no_moment_names_the_field(text: str) -> None:
    with pytest.raises(InvalidInput, match="since"):
        parse_instant(text, "since")


def test_the_last_moment_is_a_moment() -> None:
    assert parse_instant("2262-04-11T23:47:16.854775807Z", "until") == MAX_INSTANT


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("1w", 604_800)]
)
def test_spans(text: str, seconds: int) -> None:
    assert parse_duration(text, "last") == seconds * 1_000_000_000


@pytest.mark.parametrize("text", ["", "0s", "-1h", "1", "h", "1.5h", "1y", "1 h", "3661d", "01m"])
def test_what_is_no_span_names_the_field(text: str) -> None:
    with pytest.raises(InvalidInput, match="last"):
        parse_duration(text, "last")
