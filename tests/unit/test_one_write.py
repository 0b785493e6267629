import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from opsboard.adapters.http.middleware import ASGIApp, Message, Receive, Scope, Send
from opsboard.entrypoints.one_write import OneWrite, Outbox
from opsboard.entrypoints.turns import Line

LENGTH_2 = [(b"content-length", b"2")]


class Connection:
    """What `OneWrite` sees of uvicorn's cycle, and what it wrote or handed on."""

    def __init__(self, method: str = "POST", *, keep_alive: bool = True) -> None:
        self.written: list[bytes] = []
        self.closing = False
        self.handed_on: list[Message] = []
        self.responses = 0
        self.outbox = Outbox()
        self.line = Line()
        self.cycle: Any = SimpleNamespace(
            scope={"method": method},
            keep_alive=keep_alive,
            more_body=False,
            disconnected=False,
            flow=SimpleNamespace(write_paused=False),
            default_headers=[(b"date", b"today")],
            response_started=False,
            response_complete=False,
            waiting_for_100_continue=True,
            transport=SimpleNamespace(write=self.written.append, is_closing=lambda: self.closing),
            message_event=asyncio.Event(),
            on_response=self._count,
        )

    def _count(self) -> None:
        self.responses += 1

    async def answer(self, *messages: Message) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            for message in messages:
                await send(message)

        await self.serve(app)

    async def serve(self, app: ASGIApp) -> None:
        async def send(message: Message) -> None:
            self.handed_on.append(message)

        async def receive() -> Message:
            raise AssertionError("nobody reads")

        await OneWrite(app, self.cycle, self.outbox, self.line)({}, receive, send)


def head(headers: list[tuple[bytes, bytes]], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, **more: bool) -> Message:
    return {"type": "http.response.body", "body": data, **more}


async def test_an_answer_in_one_piece_is_one_write() -> None:
    connection = Connection()
    await connection.answer(head([(b"X-A", b"b"), *LENGTH_2]), body(b"ok"))
    assert connection.written == []
    await asyncio.sleep(0)
    assert connection.written == [
        b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: b\r\ncontent-length: 2\r\n\r\nok"
    ]
    assert connection.handed_on == []
    assert connection.responses == 1
    assert connection.cycle.response_complete


@pytest.mark.parametrize(
    ("connection", "start", "part"),
    [
        (Connection("HEAD"), head(LENGTH_2), body(b"")),
        (Connection(), head([(b"content-length", b"0")], 304), body(b"")),
        (Connection(keep_alive=False), head(LENGTH_2), body(b"ok")),
        (Connection(), head([*LENGTH_2, (b"connection", b"close")]), body(b"ok")),
        (Connection(), head([*LENGTH_2, (b"x", b"a\r\nset-cookie: b")]), body(b"ok")),
        (Connection(), head([(b"content-length", b"3")]), body(b"ok")),
        (Connection(), head([(b"content-length", b"4")]), body(b"ok", more_body=True)),
        (Connection(), head([(b"content-type", b"text/event-stream")]), body(b"ok")),
    ],
    ids=["HEAD", "304", "closing", "close", "injection", "length", "parts", "no length"],
)
async def test_all_else_is_left_to_uvicorn(
    connection: Connection, start: Message, part: Message
) -> None:
    await connection.answer(start, part)
    assert connection.handed_on == [start, part]
    assert connection.written == []


async def test_the_head_of_a_stream_does_not_wait_for_its_first_part() -> None:
    connection = Connection()
    start = head([(b"content-type", b"text/event-stream")])
    await connection.answer(start)
    assert connection.handed_on == [start]


async def test_a_fault_after_the_head_leaves_the_answer_to_uvicorn() -> None:
    connection = Connection()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(head(LENGTH_2))
        raise RuntimeError("no body")

    with pytest.raises(RuntimeError):
        await connection.serve(app)
    assert connection.handed_on == []
    assert not connection.cycle.response_started


async def test_a_reader_that_stopped_is_uvicorns_to_wait_for() -> None:
    connection = Connection()
    connection.cycle.flow.write_paused = True
    await connection.answer(head(LENGTH_2), body(b"ok"))
    assert connection.written == []


async def test_answers_of_one_turn_are_sent_together_and_in_order() -> None:
    outbox, connection = Outbox(), Connection()
    outbox.send(connection.cycle.transport, b"1")
    outbox.send(connection.cycle.transport, b"2")
    outbox.flush()
    assert connection.written == [b"1", b"2"]
    outbox.send(connection.cycle.transport, b"3")
    await asyncio.sleep(0)
    assert connection.written == [b"1", b"2", b"3"]


async def test_a_connection_that_closes_is_written_to_no_more() -> None:
    outbox, connection = Outbox(), Connection()
    outbox.send(connection.cycle.transport, b"1")
    connection.closing = True
    await asyncio.sleep(0)
    assert connection.written == []
