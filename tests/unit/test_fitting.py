import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.event import MAX_META_BYTES, OperationalEvent
from opsboard.domain.fitting import LEFT_OUT_KEY, fit_meta, fit_middle, fit_text

LIMIT = 1_000


def size(value: Any) -> int:
    return len(msgspec.json.encode(value))


def is_taken(meta: dict[str, Any]) -> bool:
    """`say` raises where it is not."""
    said = OperationalEvent.say(ts=0, level="INFO", type="OPS", message="m", meta=meta)
    return said.meta == {"type": "OPS", **meta}


def test_a_text_is_cut_at_its_limit_and_says_so() -> None:
    assert fit_text("a" * LIMIT, LIMIT) == "a" * LIMIT
    assert fit_text("a" * LIMIT + "b", LIMIT) == "a" * (LIMIT - 1) + "…"
    assert fit_text("a\0b\ud800c", LIMIT) == "a\ufffdb\ufffdc"


@given(st.text(max_size=3_000), st.integers(min_value=7, max_value=2_000))
def test_the_middle_goes_and_both_ends_stay(text: str, limit: int) -> None:
    fitted = fit_middle(text, limit)
    assert size(fitted) <= limit
    if size(text) <= limit:
        assert fitted == text
    else:
        head, tail = fitted.split("…", 1) if text.count("…") == 0 else ("", "")
        assert text.startswith(head.removesuffix(" "))
        assert text.endswith(tail.removeprefix(" "))


def test_whole_lines_stay_where_there_are_lines() -> None:
    trace = "\n".join(f"frame {n}" for n in range(10_000))
    fitted = fit_middle(trace, 2_000)
    lines = fitted.split("\n")
    assert lines[:2] == ["frame 0", "frame 1"]
    assert lines[-1] == "frame 9999"
    assert lines.count("…") == 1
    assert set(lines) - {"…"} <= set(trace.split("\n"))
    assert 1_900 < size(fitted) <= 2_000


def test_a_very_long_line_is_cut_within() -> None:
    fitted = fit_middle("first\n" + "x" * 5_000 + "\nlast", 1_000)
    assert fitted.startswith("first\nxxx")
    assert fitted.endswith("xxx\nlast")


def test_what_fits_stays_as_it_is() -> None:
    meta = {"a": [1, True, None, 2.5, {"b": "text"}], "c": "d" * 10_000}
    assert fit_meta(meta) == meta


def test_what_no_event_may_hold_is_written_in_another_way() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"deeper": deep}
    fitted = fit_meta(
        {"nan": math.nan, "much": 2**64, "nul\0": "\0", "deep": deep, "b": b"x", "pair": (1, 2)}
    )
    assert is_taken(fitted)
    assert fitted["nan"] == "nan"
    assert fitted["much"] == str(2**64)
    assert fitted["nul\ufffd"] == "\ufffd"
    assert fitted["pair"] == [1, 2]


def test_only_the_longest_values_are_cut() -> None:
    meta = {"long": "l" * 100_000, "list": ["m" * 50_000], "short": "s" * 1_000, "number": 7}
    fitted = fit_meta(meta)
    assert is_taken(fitted)
    assert (fitted["short"], fitted["number"]) == (meta["short"], 7)
    assert abs(size(fitted["long"]) - size(fitted["list"])) < 10
    assert size(fitted) > MAX_META_BYTES - 100


def test_members_that_do_not_fit_at_all_are_counted() -> None:
    meta = {f"member {n}": "v" * 40 for n in range(5_000)}
    fitted = fit_meta(meta)
    assert is_taken(fitted)
    assert len(fitted) - 1 + fitted[LEFT_OUT_KEY] == 5_000
    assert len(fitted) > 100


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.integers(0, 30_000).map(lambda n: '"' * n),
    lambda within: st.lists(within, max_size=4) | st.dictionaries(st.text(), within, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text() | st.integers(0, 9_000).map(lambda n: "k" * n), values))
def test_an_event_takes_whatever_was_fitted(meta: dict[str, Any]) -> None:
    assert is_taken(fit_meta(meta))
