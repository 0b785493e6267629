"""What the server logs: one line of JSON for each thing said, or one for people at a terminal.

Nobody whose words are logged can begin a line of his own, or command a terminal: every character
that is not printable is escaped.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ..adapters.http import request_id
from ..domain.instant import NS_PER_MS, format_instant
from .log_descriptor import DescriptorHandler

FIELDS = "fields"
"""The attribute of a record, given as `extra`, whose members stand beside its message."""

_LEVELS = ((logging.CRITICAL, "FATAL"), (logging.ERROR, "ERROR"), (logging.WARNING, "WARN"))
_LOWER_LEVELS = ((logging.INFO, "INFO"), (0, "DEBUG"))
_COLOURS = {"FATAL": "1;31", "ERROR": "31", "WARN": "33", "INFO": "32", "DEBUG": "2"}
_NOISE = "Invalid HTTP request received."
"""What uvicorn says of each such request; they are counted and answered, not told one by one."""


def level_of(record: logging.LogRecord) -> str:
    """The level, by the names that events have."""
    return next(name for least, name in (*_LEVELS, *_LOWER_LEVELS) if record.levelno >= least)


def said_by(record: logging.LogRecord) -> str:
    """The message; a record that does not fit its own arguments is no reason to lose it."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever the arguments do when they become text
        return f"{record.msg} {record.args!r}"


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What stands beside the message: the request's id, and what the record brings."""
    fields: Mapping[str, Any] = getattr(record, FIELDS, {})
    id = request_id.current.get()
    return {"request_id": id, **fields} if id else dict(fields)


class JsonLines(logging.Formatter):
    """One JSON object in ASCII, with the names of an event where they mean the same."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {
            "ts": format_instant(round(record.created * 1_000) * NS_PER_MS),
            "level": level_of(record),
            "logger": record.name,
            "message": said_by(record),
            **fields_of(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TerminalLines(logging.Formatter):
    """Time, level and message, in colour; a trace is indented, so that it passes for no line."""

    def __init__(self, *, colour: bool) -> None:
        """Use colours, or do not."""
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        level = level_of(record)
        shown = f"\x1b[{_COLOURS[level]}m{level:5}\x1b[0m" if self._colour else f"{level:5}"
        fields = "".join(f"  {name}={value}" for name, value in fields_of(record).items())
        lines = [f"{self.formatTime(record, '%H:%M:%S')} {shown} {printable(said_by(record))}"]
        lines[0] += printable(fields)
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            lines += [f"    {printable(line)}" for line in trace.split("\n")]
        return "\n".join(lines)


def printable(text: str) -> str:
    """The text with everything escaped that could move a cursor or end a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _to_stderr() -> logging.Handler:
    try:
        return DescriptorHandler(sys.stderr.fileno())
    except OSError:  # it is no file, but what a program put in its place
        return logging.StreamHandler()


def log_to_stderr() -> None:
    """Log warnings and faults of the whole process to standard error, and what ends it.

    uvicorn's are among them. Where nobody reads them, lines are left out, and counted.
    """
    handler = _to_stderr()
    terminal = sys.stderr.isatty()
    colour = terminal and not os.environ.get("NO_COLOR")
    handler.setFormatter(TerminalLines(colour=colour) if terminal else JsonLines())
    handler.addFilter(lambda record: record.msg != _NOISE)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda told: _log_uncaught(
        told.exc_type, told.exc_value, told.exc_traceback
    )


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is not None:
        logging.getLogger("opsboard").critical("uncaught", exc_info=(kind, error, trace))
