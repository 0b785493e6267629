import logging
import os
from collections.abc import Iterator

import pytest
from opsboard.entrypoints.log_descriptor import DescriptorHandler


class Pipe:
    """A pipe, and a handler that writes into it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.handler = DescriptorHandler(self.writing)

    def say(self, message: object, *args: object) -> None:
        record = logging.LogRecord("x", logging.ERROR, "", 0, message, args, None)
        self.handler.handle(record)

    def read(self) -> list[str]:
        read = b""
        while True:
            try:
                part = os.read(self.reading, 65_536)
            except BlockingIOError:
                return read.decode().split("\n")
            read += part


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reading)
    os.close(pipe.writing)


def test_lines_that_are_read_are_all_there(pipe: Pipe) -> None:
    long = "\N{GREEK SMALL LETTER ALPHA}" * 5_000
    pipe.say("%s %d", "seen", 1)
    pipe.say(long)
    assert pipe.read() == ["seen 1", long, ""]
    assert pipe.handler.left_out == 0


def test_who_logs_never_waits_for_who_reads_and_says_how_much_nobody_read(pipe: Pipe) -> None:
    long = "l" * 10_000
    for _ in range(100):
        pipe.say(long)
    left_out = pipe.handler.left_out
    *read, last = pipe.read()
    assert read == [long] * (100 - left_out)
    assert 0 < len(last) < len(long), "cut where the room ended"
    pipe.say("there again")
    assert pipe.read() == [
        "",
        f"lines left out of a log that nobody read: {left_out}",
        "there again",
        "",
    ]
    assert pipe.handler.left_out == 0


def test_what_can_not_be_said_is_left_out_and_counted(pipe: Pipe) -> None:
    pipe.say("%d", "no number")
    assert pipe.handler.left_out == 1
    pipe.say("next")
    assert pipe.read() == ["lines left out of a log that nobody read: 1", "next", ""]


def test_a_reader_that_is_gone_stops_nobody() -> None:
    pipe = Pipe()
    os.close(pipe.reading)
    for said in range(3):
        pipe.say("%d", said)
    os.close(pipe.writing)
    pipe.say("to nobody")
    assert pipe.handler.left_out == 4
