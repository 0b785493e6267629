"""Python's logging, as a way in: log records become operational events."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from ..application.caught import Caught
from ..application.own_threads import is_own_thread
from ..application.sink import EventSink
from ..domain.event import MAX_MESSAGE_LENGTH, Level
from ..domain.exception_event import EXCEPTION
from ..domain.fitting import fit_meta, fit_text
from ..domain.instant import NS_PER_SECOND, format_instant
from ..domain.log_record import EMPTY, LOG
from ..domain.secret_keys import USUAL, SecretKeys

OWN_LOGGERS = ("opsboard", "aiosqlite")

_LEVELS = (
    (logging.CRITICAL, Level.FATAL),
    (logging.ERROR, Level.ERROR),
    (logging.WARNING, Level.WARN),
    (logging.INFO, Level.INFO),
)
_NOT_EXTRA = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class EventHandler(logging.Handler):
    """Hands log records to a sink as events; it never waits, and never logs what it does itself.

    The event's type is `LOG`, or `EXCEPTION` where the record has an exception. `extra` is in its
    `meta`, beside the logger's name, the place in the code, and the exception with its stack trace.
    """

    def __init__(
        self,
        *,
        service: str,
        to: EventSink,
        level: int | str = logging.WARNING,
        secret_keys: SecretKeys = USUAL,
    ) -> None:
        """Events of `service`, from records of `level` and above, secrets in `extra` masked."""
        super().__init__(level)
        self._service = service
        self._sink = to
        self._secret_keys = secret_keys
        self._here = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`; what goes wrong is told as by every other handler."""
        if self._is_our_own(record):
            return
        self._here.emitting = True
        try:
            self._hand_over(record)
        except Exception:  # noqa: BLE001 - as `logging` has it: the app goes on
            self.handleError(record)
        finally:
            self._here.emitting = False

    def _is_our_own(self, record: logging.LogRecord) -> bool:
        """Whether it comes from opsboard, or from making an event of another record."""
        return (
            record.name.partition(".")[0] in OWN_LOGGERS
            or is_own_thread()
            or getattr(self._here, "emitting", False)
        )

    def _hand_over(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        meta = fit_meta(_said(record, message), self._secret_keys)
        error = record.exc_info[1] if record.exc_info else None
        caught = None if error is None else Caught.of(error)
        level = next((level for least, level in _LEVELS if record.levelno >= least), Level.DEBUG)

        def event() -> Mapping[str, Any]:
            return {
                "level": level,
                "type": LOG if caught is None else EXCEPTION,
                "service": self._service,
                "message": fit_text(message, MAX_MESSAGE_LENGTH) or EMPTY,
                "meta": meta
                if caught is None
                else fit_meta({**_exception(caught), **meta}, self._secret_keys),
            }

        self._sink.say_later(event)


def _said(record: logging.LogRecord, message: str) -> dict[str, Any]:
    known = {
        "logger": record.name,
        "time": format_instant(int(record.created * NS_PER_SECOND)),
        "code.file.path": record.pathname,
        "code.line.number": record.lineno,
        "code.function.name": record.funcName,
        "process.pid": record.process,
        "thread.name": record.threadName,
        "code.stacktrace": record.stack_info,
        "body": message if len(message) > MAX_MESSAGE_LENGTH else None,
    }
    extra = {name: value for name, value in vars(record).items() if name not in _NOT_EXTRA}
    return {name: value for name, value in known.items() if value is not None} | extra


def _exception(caught: Caught) -> dict[str, str]:
    return dict(caught.event()["meta"])
