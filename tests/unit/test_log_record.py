from typing import Any

import pytest
from opsboard.domain.event import MAX_MESSAGE_LENGTH, OperationalEvent
from opsboard.domain.log_record import LogRecord, level_of, log_event
from opsboard.domain.origin import Origin

from ..fakes import START_NS


def said(body: Any = "hello", *, attributes: dict[str, Any] | None = None, **more: Any) -> Any:
    """The event for a log record."""
    plain: dict[str, Any] = {
        "origin": Origin("shop", "1.4"),
        "scope": "",
        "time": 0,
        "severity_number": 9,
        "severity_text": "",
        "trace_id": "",
        "span_id": "",
        "event_name": "",
    }
    record = LogRecord(**plain | {"body": body, "attributes": attributes or {}} | more)
    return OperationalEvent.say(ts=0, **log_event(record))


@pytest.mark.parametrize(
    ("numbers", "level"),
    [
        (range(1, 9), "DEBUG"),
        (range(9, 13), "INFO"),
        (range(13, 17), "WARN"),
        (range(17, 21), "ERROR"),
        (range(21, 25), "FATAL"),
    ],
)
def test_levels_are_those_of_severity_numbers(numbers: range, level: str) -> None:
    assert {level_of(number, "INFO") for number in numbers} == {level}
    assert level_of(99, "") == "FATAL"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", "INFO"),
        ("whatever", "INFO"),
        ("trace", "DEBUG"),
        ("Debug", "DEBUG"),
        ("notice", "INFO"),
        (" Warning ", "WARN"),
        ("WARN", "WARN"),
        ("error3", "ERROR"),
        ("err", "ERROR"),
        ("CRITICAL", "FATAL"),
        ("\u0131nfo", "INFO"),
    ],
)
@pytest.mark.parametrize("number", [0, -1])
def test_without_a_number_the_text_says_the_level(number: int, text: str, level: str) -> None:
    assert level_of(number, text) == level


def test_all_that_is_known_stands_in_meta() -> None:
    event = said(
        "late",
        attributes={"cart": 7, "time": "mine", "code.function.name": "pay"},
        time=START_NS,
        severity_number=17,
        severity_text="error",
        trace_id="ab",
        span_id="cd",
        event_name="cart.late",
        scope="shop.cart",
    )
    assert (event.level, event.type, event.service, event.message) == (
        "ERROR",
        "LOG",
        "shop",
        "late",
    )
    assert event.meta == {
        "type": "LOG",
        "trace_id": "ab",
        "span_id": "cd",
        "time": "2026-01-31T09:00:00.000Z",
        "severity_text": "error",
        "event.name": "cart.late",
        "service.version": "1.4",
        "otel.scope.name": "shop.cart",
        "cart": 7,
        "code.function.name": "pay",
    }


def test_a_long_body_is_cut_and_more_of_it_stands_in_meta() -> None:
    body = "x" * MAX_MESSAGE_LENGTH + "y" * 3_000
    event = said(body)
    assert event.message == "x" * (MAX_MESSAGE_LENGTH - 1) + "…"
    assert event.meta["body"] == body
    assert said("z" * 100_000).meta["body"].startswith("zzz")
    assert "body" not in said("x" * MAX_MESSAGE_LENGTH).meta


@pytest.mark.parametrize(
    ("body", "message"),
    [({"a": [1, "b"]}, '{"a":[1,"b"]}'), (7, "7"), (False, "false"), ([], "[]")],
)
def test_a_body_that_is_no_text_is_json(body: Any, message: str) -> None:
    assert said(body).message == message


def test_a_record_without_a_body_says_what_else_it_has() -> None:
    assert said(None).message == "(empty)"
    assert said("", event_name="cart.late").message == "cart.late"
    exception = {"exception.type": "ValueError", "exception.message": "no such size"}
    assert said(None, attributes=exception).message == "ValueError: no such size"


def test_an_exception_on_a_record_makes_it_one_of_those() -> None:
    exception = {"exception.type": "ValueError", "exception.stacktrace": "s" * 50_000}
    event = said("it failed", attributes=exception)
    assert (event.type, event.message) == ("EXCEPTION", "it failed")
    assert event.meta["exception.type"] == "ValueError"
    assert event.meta["exception.stacktrace"].startswith("sss")
