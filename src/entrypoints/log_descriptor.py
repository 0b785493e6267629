"""A log that nobody reads: it is no reason to stop."""

import logging
import os
import select

_PART_BYTES = select.PIPE_BUF
"""A pipe that has room for anything has room for so many bytes."""
_LEFT_OUT = "lines left out of a log that nobody read: %d"


class DescriptorHandler(logging.Handler):
    """Writes lines to a file descriptor that takes them at once, and leaves out the others.

    A full pipe that nobody reads, or a terminal that was told to stop, would hold whoever logs: the
    whole server. When there is room again, a line says how many were left out.
    """

    def __init__(self, descriptor: int) -> None:
        """Write to `descriptor`, which stays open."""
        super().__init__()
        self.left_out = 0
        """Lines that were not written, or only in part, since the last one that says so."""
        self._descriptor = descriptor
        self._ends_amid_line = False
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`; never waits, never raises."""
        if self.left_out and self._is_written(self._about_those_left_out(record)):
            self.left_out = 0
        if self.left_out or not self._is_written(record):
            self.left_out += 1

    def _about_those_left_out(self, record: logging.LogRecord) -> logging.LogRecord:
        told = (self.left_out,)
        return logging.LogRecord(
            __name__, logging.WARNING, record.pathname, record.lineno, _LEFT_OUT, told, None
        )

    def _is_written(self, record: logging.LogRecord) -> bool:
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
            return self._takes(b"\n" + line if self._ends_amid_line else line)
        except Exception:  # noqa: BLE001 - a line less is better than whatever this would stop
            return False

    def _takes(self, line: bytes) -> bool:
        """Write as much of the line as there is room for; whether that is all of it."""
        while line:
            if not any(event & select.POLLOUT for _, event in self._room.poll(0)):
                return False
            written = os.write(self._descriptor, line[:_PART_BYTES])
            line = line[written:]
            self._ends_amid_line = bool(line)
        return True
