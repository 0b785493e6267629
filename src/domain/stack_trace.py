"""A stack trace as it was written, read as exceptions with frames: the reported one, its causes."""

import re
from collections.abc import Iterator

import msgspec

from .stack_frame import NOTATIONS, Frame, Notation

MAX_LINES = 2_000
MAX_LINE_LENGTH = 1_000

_DIRECT_CAUSE = "The above exception was the direct cause of the following exception:"
_WHILE_HANDLING = "During handling of the above exception, another exception occurred:"
_INNERMOST_LAST = "Traceback (most recent call last):"
_END_OF_INNER = "--- End of inner exception stack trace ---"
_MEMBER = re.compile(r"\+-[+-]*- (\d{1,9}) -+")


class Raised(msgspec.Struct):
    """One exception of a trace: its type where the trace says it, and frames, innermost first."""

    type: str = ""
    frames: list[Frame] = msgspec.field(default_factory=list)


def parse_trace(text: str) -> list[Raised]:
    """The exception that was reported, then the chain of its causes; at least one.

    A cause is one that somebody named as such: `raise ... from`, `Caused by:`, `--->`, `[cause]`,
    PHP's `Next`, the first member of an exception group. What was only being handled when the
    exception came up is none. Takes any text, in time that grows with its length alone.
    """
    reading = _Reading()
    for line in _lines(text):
        reading.take(line)
    return reading.chain()


def type_in(text: str) -> str:
    """The type at the beginning of `Type: message`."""
    return text.partition(":")[0].partition(" (")[0].strip()


def _lines(text: str) -> Iterator[str]:
    """The first and the last lines: the innermost frames are at one end or the other."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        lines = lines[: MAX_LINES // 2] + lines[-MAX_LINES // 2 :]
    return (line[:MAX_LINE_LENGTH] for line in lines)


def _without_edge(line: str) -> str:
    """The line without what is drawn at the left of an exception group."""
    edge, separator, inner = line.partition("| ")
    return inner if separator and not edge.strip() else line


class _Reading:
    """What was read by now.

    `_raised` has the reported exception first, or last where `_outermost_last`. `_open` are .NET's
    exceptions whose frames are still to come, the innermost last.
    """

    def __init__(self) -> None:
        self._raised = [Raised()]
        self._open: list[Raised] = []
        self._now = self._raised[0]
        self._notation: Notation | None = None
        self._outermost_last = False
        self._innermost_last = False
        self._before = ""

    def take(self, line: str) -> None:
        """Read one more line."""
        if self._innermost_last:
            line = _without_edge(line)
        said = line.strip()
        if said.endswith(_INNERMOST_LAST):
            self._innermost_last = True
        elif not self._take_link(said):
            frame = self._frame(said)
            if frame is not None:
                self._take_frame(frame)
            elif said and self._innermost_last and not line[0].isspace():
                self._take_end(said)
        self._before = line

    def _frame(self, said: str) -> Frame | None:
        """A frame; a trace keeps to the notation that it began in."""
        notations = NOTATIONS if self._notation is None else (self._notation,)
        for notation in notations:
            frame = notation(said, self._before)
            if frame is not None:
                self._notation = notation
                return frame
        return None

    def _take_frame(self, frame: Frame) -> None:
        if frame.function == "panic" and frame.place == "runtime/panic.go":
            # What is above it recovered from the panic; what is below it panicked.
            self._now.frames.clear()
        self._now.frames.append(frame)

    def _take_link(self, said: str) -> bool:
        """Whether the line says how exceptions hang together."""
        if said == _WHILE_HANDLING:
            self._raised = []
            self._add("")
            return True
        return self._take_cause_above(said) or self._take_cause_below(said)

    def _take_cause_above(self, said: str) -> bool:
        """What was read before is the cause of what comes next."""
        if said == _DIRECT_CAUSE:
            self._outermost_last = True
            self._add("")
        elif said.startswith("Next ") and self._now.frames:
            self._outermost_last = True
            self._add(type_in(said[5:]))
        elif said == _END_OF_INNER:
            self._now = self._open.pop() if self._open else self._now
        else:
            return False
        return True

    def _take_cause_below(self, said: str) -> bool:
        """What comes next is the cause of what was read before, or nothing that counts."""
        if said.startswith(("Caused by: ", "[cause]: ")):
            self._add(type_in(said.partition(": ")[2]))
        elif said.startswith("Suppressed: "):
            self._now = Raised()
        elif "---> " in said and not self._now.frames and not self._innermost_last:
            self._take_inner(said)
        elif self._innermost_last and (member := _MEMBER.fullmatch(said)):
            self._take_member(member[1] == "1")
        else:
            return False
        return True

    def _add(self, type: str) -> None:
        self._now = Raised(type)
        self._raised.append(self._now)

    def _take_inner(self, said: str) -> None:
        """`Outer: message ---> Inner: message`, in one line or two; the inner frames come first."""
        for part in said.split("---> ")[1:]:
            self._open.append(self._now)
            self._add(type_in(part))

    def _take_member(self, is_first: bool) -> None:
        """A member of an exception group: the first one stands for all."""
        if is_first and not self._outermost_last:
            self._add("")
        else:
            self._now = Raised()

    def _take_end(self, said: str) -> None:
        """`Type: message`, which comes after the frames."""
        if self._now.frames and not self._now.type:
            self._now.type = type_in(said)

    def chain(self) -> list[Raised]:
        """All that was read, the reported exception first."""
        raised = self._raised[::-1] if self._outermost_last else self._raised
        if self._innermost_last:
            for each in raised:
                each.frames.reverse()
        return raised
