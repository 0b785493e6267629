"""What the server logs can be read by machines and people, and forged by nobody."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.adapters.http import request_id
from opsboard.entrypoints import log_lines
from opsboard.entrypoints.log_lines import FIELDS, JsonLines, TerminalLines, log_to_stderr

FORGED = "ok\n2026-01-31 ERROR forged\r\x1b[2J\x9b31m\u2028\u202e\x7f\0 \ud800"


def record(message: str = "hi", *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("opsboard.x", more.pop("level", 30), "f", 1, message, arguments, None)
    made.created = 1_769_850_000.25
    vars(made).update(more)
    return made


def raised(text: str) -> Any:
    try:
        raise ValueError(text)
    except ValueError:
        return sys.exc_info()


def test_a_line_of_json_has_the_names_of_an_event() -> None:
    line = JsonLines().format(record("wait %d s", 7, **{FIELDS: {"disk": "full"}}))
    assert json.loads(line) == {
        "ts": "2026-01-31T09:00:00.250Z",
        "level": "WARN",
        "logger": "opsboard.x",
        "message": "wait 7 s",
        "disk": "full",
    }


@pytest.mark.parametrize(
    ("number", "level"), [(10, "DEBUG"), (20, "INFO"), (30, "WARN"), (40, "ERROR"), (50, "FATAL")]
)
def test_levels_are_those_of_events(number: int, level: str) -> None:
    assert json.loads(JsonLines().format(record(level=number)))["level"] == level


@pytest.mark.parametrize("formatter", [JsonLines(), TerminalLines(colour=False)])
@given(st.text() | st.just(FORGED))
def test_no_message_field_or_id_makes_a_second_line(formatter: Any, text: str) -> None:
    line = formatter.format(record("%s", text, **{FIELDS: {"path": text}}))
    assert line.isprintable()
    if isinstance(formatter, JsonLines):
        assert line.isascii()
        assert json.loads(line)["message"] == json.loads(line)["path"] == text


def test_a_trace_is_within_the_line_or_indented_below_it() -> None:
    told = record("failed", exc_info=raised(FORGED))
    line = JsonLines().format(told)
    assert line.isprintable()
    assert "ValueError: ok\n" in json.loads(line)["trace"]
    shown = TerminalLines(colour=False).format(told).split("\n")
    assert shown[0].endswith("failed")
    assert all(part.startswith("    ") and part.isprintable() for part in shown[1:])


def test_colours_are_ours_alone() -> None:
    shown = TerminalLines(colour=True).format(record("\x1b[31mred"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d \x1b\[33mWARN \x1b\[0m \\x1b\[31mred", shown)


def test_a_line_about_a_request_has_its_id() -> None:
    token = request_id.current.set("abc")
    try:
        assert json.loads(JsonLines().format(record()))["request_id"] == "abc"
        assert TerminalLines(colour=False).format(record()).endswith("hi  request_id=abc")
    finally:
        request_id.current.reset(token)
    assert "request_id" not in JsonLines().format(record())


def test_a_record_that_does_not_fit_its_arguments_is_told_all_the_same() -> None:
    assert "%d of" in json.loads(JsonLines().format(record("%d of", "x")))["message"]


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield root
    root.handlers = before
    root.setLevel(level)


def test_it_is_json_unless_it_goes_to_a_terminal(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_to_stderr()
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").warning("a\nb")
    assert json.loads(capsys.readouterr().err)["message"] == "a\nb"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    log_to_stderr()
    logging.getLogger("x").warning("a\nb")
    assert capsys.readouterr().err.endswith(" WARN  a\\nb\n")


def test_what_nobody_caught_is_one_line_too(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr()
    kind, error, trace = raised("lost")
    sys.excepthook(kind, error, trace)
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["message"]) == ("FATAL", "uncaught")
    assert "ValueError: lost" in told["trace"]
    thread = threading.Thread(target=lambda: log_lines.printable(None))  # type: ignore[arg-type]
    thread.start()
    thread.join()
    assert "AttributeError" in json.loads(capsys.readouterr().err)["trace"]
