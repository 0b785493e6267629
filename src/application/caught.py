"""Exceptions that no handler took, on their way to becoming events; light to import."""

from collections.abc import Callable
from traceback import TracebackException
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from ..domain.exception_event import EventFields

PER_SECOND = 5
AT_ONCE = 20
MAX_FRAMES = 100


class Caught(NamedTuple):
    """An exception without the objects that it holds on to, and without its sources being read."""

    type: str
    message: str
    trace: TracebackException

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """The exception, its causes, and the innermost `MAX_FRAMES` frames of each."""
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        trace = TracebackException(
            kind, error, error.__traceback__, limit=-MAX_FRAMES, lookup_lines=False
        )
        return cls(f"{module}{kind.__qualname__}", _text_of(error), trace)

    def event(
        self, *, service: str = "", route: str = "", method: str = "", time: str = ""
    ) -> "EventFields":
        """The event's fields; reads the sources that the stack trace quotes.

        `time` is when it happened, where the event may be recorded much later.
        """
        from ..domain.exception_event import exception_event  # noqa: PLC0415

        stacktrace = "".join(self.trace.format())
        return exception_event(
            self.type,
            self.message,
            stacktrace,
            service=service,
            route=route,
            method=method,
            attributes={"time": time} if time else None,
        )


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - its own text is broken: the rest is told all the same
        return ""


class ExceptionRate:
    """Lets `PER_SECOND` exceptions through, `AT_ONCE` after a while without any."""

    def __init__(self, monotonic: Callable[[], int]) -> None:
        """`monotonic` gives ns."""
        self._monotonic = monotonic
        self._left = float(AT_ONCE)
        self._at = monotonic()

    def allows(self) -> bool:
        """Whether there is room for one more now."""
        now = self._monotonic()
        self._left = min(AT_ONCE, self._left + (now - self._at) / 1e9 * PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
