"""Many times at once are what each one is by itself."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opsboard.domain.instant import NS_PER_MS, parse_instant
from opsboard.domain.instant_column import _alike, parse_instants
from opsboard.domain.validation import InvalidInput

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - of its own zone
    max_value=datetime(2262, 4, 10),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)


def written(moment: datetime, digits: int, zone: str) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    if digits:
        text += f".{moment.microsecond:06d}789"[: digits + 1]
    return text + (zone or moment.strftime("%z"))


def one_by_one(texts: list[str]) -> list[int]:
    return [parse_instant(text, "ts") // NS_PER_MS for text in texts]


@given(st.lists(MOMENTS, max_size=20), st.integers(0, 9))
def test_times_of_one_precision(moments: list[datetime], digits: int) -> None:
    texts = [written(moment, digits, "Z") for moment in moments]
    assert parse_instants(texts, "ts").tolist() == one_by_one(texts)
    assert not texts or _alike(texts) is not None


@given(st.lists(st.tuples(MOMENTS, st.integers(0, 9), st.sampled_from(["Z", "z", "-03:00"]))))
def test_times_of_all_sorts(mixed: list[tuple[datetime, int, str]]) -> None:
    texts = [written(*each) for each in mixed]
    assert parse_instants(texts, "ts").tolist() == one_by_one(texts)


GOOD = "2026-01-31T09:30:00.123Z"


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="utf-8"), st.booleans())
@example(11, "2", False)
@example(14, "6", False)
@example(8, "4", False)
@example(10, " ", True)
def test_one_wrong_character(at: int, character: str, among_others: bool) -> None:
    changed = GOOD[:at] + character + GOOD[at + 1 :]
    texts = [GOOD, changed, GOOD] if among_others else [changed]
    try:
        expected = one_by_one(texts)
    except InvalidInput:
        with pytest.raises(InvalidInput, match="ts"):
            parse_instants(texts, "ts")
    else:
        assert parse_instants(texts, "ts").tolist() == expected


@pytest.mark.parametrize(
    "texts",
    [
        ["2026-01-31T09:30:00.123Z2026-", "01-31T09:30:00.123Z"],
        ["2026-01-31T09:30:00.12", "2026-01-31T09:30:00.1234ZZ"],
        ["2262-04-11T23:59:59.000Z"],
        ["3000-01-01T00:00:00.000Z", "3000-01-01T00:00:00.000Z"],
        ["1969-12-31T23:59:59.999Z"],
        ["2026-01-31T09:30:60Z"],
        ["2026-02-29T09:30:00Z"],
        ["2026-01-31T09:30:00.Z"],
        [""],
        ["\udc80026-01-31T09:30:00.123Z"],
        ["２026-01-31T09:30:00.123Z"],  # noqa: RUF001
    ],
)
def test_what_is_no_moment_is_refused(texts: list[str]) -> None:
    with pytest.raises(InvalidInput, match="ts"):
        parse_instants(texts, "ts")


def test_none_at_all() -> None:
    assert parse_instants([], "ts").tolist() == []
