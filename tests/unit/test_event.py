from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.event import EventFilter, OperationalEvent
from opsboard.domain.validation import InvalidInput
from opsboard.domain.words import TextQuery

from ..fakes import START_NS

GOOD: dict[str, Any] = {
    "ts": START_NS,
    "level": "INFO",
    "type": "OPS",
    "service": "api",
    "message": "hi",
}


def say(**changed: Any) -> OperationalEvent:
    return OperationalEvent.say(**{**GOOD, **changed})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_what_was_said_is_kept_with_its_type_merged_into_meta_first() -> None:
    event = say(level="warn", type="AUDIT", meta={"request_id": "abc123"})
    assert event.level == "WARN"
    assert list(event.meta.items()) == [("type", "AUDIT"), ("request_id", "abc123")]


def test_a_type_that_the_caller_put_in_meta_stays() -> None:
    assert say(type="AUDIT", meta={"type": "mine"}).meta == {"type": "mine"}


def test_the_time_is_cut_to_whole_milliseconds() -> None:
    assert say(ts=START_NS + 1_999_999).ts == START_NS + 1_000_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("level", "debug"),
        ("level", "FaTaL"),
        ("type", "DEPLOY"),
        ("type", "A"),
        ("type", "A" + "_9" * 15 + "Z"),
        ("service", "s"),
        ("service", "é" * 80),
        ("message", "m" * 1_000),
        ("message", "\U0001f600" * 1_000),
        ("meta", {}),
        ("meta", {"deep": nested(62)}),
        ("meta", {"x": "y" * (16 * 1024 - 8)}),
        ("meta", {"list": [1, 2.5, None, True, "x", {"y": []}]}),
    ],
)
def test_up_to_every_limit_an_event_is_taken(field: str, value: Any) -> None:
    assert say(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "pointer", "detail"),
    [
        ("level", "LOUD", "/level", "DEBUG, INFO, WARN, ERROR, FATAL"),
        ("level", "", "/level", "must be one of"),
        ("level", 3, "/level", "must be one of"),
        ("type", "audit", "/type", "upper-case"),
        ("type", "A" * 33, "/type", "1-32"),
        ("type", "9A", "/type", "a letter first"),
        ("type", "OPS\n", "/type", "upper-case"),
        ("type", None, "/type", "must be one of"),
        ("service", "", "/service", "1-80 characters, not 0"),
        ("service", "s" * 81, "/service", "1-80 characters, not 81"),
        ("service", 5, "/service", "must be a string"),
        ("message", "", "/message", "1-1000 characters, not 0"),
        ("message", "m" * 1_001, "/message", "1-1000 characters, not 1001"),
        ("message", "a\0b", "/message", "U+0000"),
        ("message", "\ud800", "/message", "lone surrogate"),
        ("meta", [], "/meta", "must be an object"),
        ("meta", {"x": "y" * 16 * 1024}, "/meta", "at most 16384 bytes"),
        ("meta", {"deep": nested(64)}, "/meta", "at most 64 levels"),
        ("meta", {"deep": nested(100_000)}, "/meta", "at most 64 levels"),
        ("meta", {"a": {"b/c~d": [0, float("nan")]}}, "/meta/a/b~1c~0d/1", "finite"),
        ("meta", {"a": float("inf")}, "/meta/a", "finite"),
        ("meta", {"a": "\udfff"}, "/meta/a", "lone surrogate"),
        ("meta", {"a\0": 1}, "/meta", "U+0000"),
        ("meta", {1: 1}, "/meta", "strings as its keys"),
        ("meta", {"a": {1, 2}}, "/meta/a", "not a set"),
    ],
)
def test_beyond_a_limit_the_field_is_named(
    field: str, value: Any, pointer: str, detail: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        say(**{field: value})
    (violation,) = refused.value.violations
    assert violation.pointer == pointer
    assert detail in violation.detail


def test_every_broken_rule_is_listed() -> None:
    with pytest.raises(InvalidInput) as refused:
        say(level="x", type="y", service="", message="", meta=1)
    pointers = [violation.pointer for violation in refused.value.violations]
    assert pointers == ["/level", "/type", "/service", "/message", "/meta"]
    assert str(refused.value).startswith("/level must be one of")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e300, 1e300)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), JSON, max_size=5))
def test_any_json_object_is_taken_and_survives_its_encoding(meta: dict[str, Any]) -> None:
    event = say(meta=meta)
    encoded = msgspec.json.encode(event)
    assert msgspec.json.decode(encoded, type=OperationalEvent) == event


def test_an_event_is_found_by_the_words_of_its_message_and_of_all_its_meta() -> None:
    event = say(message="Slow query", meta={"user": {"name": "Ünal"}, "ms": [250]})
    assert event.words() == ["slow", "query", "type", "ops", "user", "name", "unal", "ms", "250"]


@pytest.mark.parametrize(
    "unwanted",
    [
        EventFilter(level="WARN"),
        EventFilter(type="AUDIT"),
        EventFilter(service="shop"),
        EventFilter(since=START_NS + 1),
        EventFilter(until=START_NS),
        EventFilter(query=TextQuery.parse("other")),
    ],
)
def test_a_filter_wants_what_matches_all_of_it(unwanted: EventFilter) -> None:
    event = say()
    assert not unwanted.wants(event)
    assert EventFilter("INFO", "OPS", "api", START_NS, START_NS + 1, TextQuery.parse("hi")).wants(
        event
    )


def test_a_filter_that_no_event_could_pass_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        EventFilter.of(level="loud", type="low", service="", since=None, until=None, query=None)
    assert [v.pointer for v in refused.value.violations] == ["level", "type", "service"]
