import asyncio
import logging
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from opsboard.adapters.http.middleware import ASGIApp, Message, Receive, Scope, Send
from opsboard.entrypoints.one_write import OneWriteCycle, Outbox
from opsboard.entrypoints.turns import Line
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LENGTH_2 = [(b"content-length", b"2")]


class Connection:
    """What a cycle sees of its connection, and what it wrote or left to uvicorn."""

    def __init__(self, method: str = "POST", *, keep_alive: bool = True) -> None:
        self.written: list[bytes] = []
        self.closing = False
        self.handed_on: list[Message] = []
        self.responses = 0
        self.outbox = Outbox()
        self.tasks = set[Any]()
        self.flow = SimpleNamespace(write_paused=False, resume_reading=lambda: None)
        protocol: Any = SimpleNamespace(
            transport=SimpleNamespace(
                write=self.written.append, is_closing=lambda: self.closing, close=lambda: None
            ),
            flow=self.flow,
            logger=logging.getLogger("uvicorn.error"),
            server_state=SimpleNamespace(default_headers=[(b"date", b"today")]),
            on_response_complete=self._count,
            expect_100_continue=False,
            tasks=self.tasks,
        )
        scope = {"method": method}
        self.cycle = OneWriteCycle(scope, protocol, self.outbox, Line(), keep_alive=keep_alive)

    def _count(self) -> None:
        self.responses += 1

    async def answer(self, *messages: Message) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            for message in messages:
                await send(message)

        await self.serve(app)

    async def serve(self, app: ASGIApp) -> None:
        async def send(_: RequestResponseCycle, message: Message) -> None:
            self.handed_on.append(message)
            self.cycle.response_started = True
            self.cycle.response_complete = message["type"] == "http.response.body"

        with patch.object(RequestResponseCycle, "send", send):
            await self.cycle.run_asgi(app)


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


@pytest.mark.parametrize("fails", [True, False])
async def test_a_head_without_a_body_is_not_sent_but_a_500(fails: bool) -> None:
    connection = Connection()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(head(LENGTH_2))
        if fails:
            raise RuntimeError("no body")

    await connection.serve(app)
    assert [message.get("status") for message in connection.handed_on] == [500, None]
    assert connection.written == []


async def test_a_reader_that_stopped_is_uvicorns_to_wait_for() -> None:
    connection = Connection()
    connection.flow.write_paused = True
    await connection.answer(head(LENGTH_2), body(b"ok"))
    assert connection.handed_on == [head(LENGTH_2), body(b"ok")]
    await asyncio.sleep(0)
    assert connection.written == []


async def received(connection: Connection) -> Message:
    message: Message = await asyncio.wait_for(connection.cycle.receive(), 1)
    return message


async def test_a_body_is_received_in_the_parts_that_came_and_then_its_end() -> None:
    connection = Connection()
    cycle = connection.cycle
    cycle.body += b"a"
    cycle.wake()
    assert await received(connection) == {"type": "http.request", "body": b"a", "more_body": True}
    waiting = asyncio.ensure_future(cycle.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    cycle.body += b"b"
    cycle.complete()
    assert await waiting == {"type": "http.request", "body": b"b", "more_body": False}


async def test_after_the_end_of_the_body_a_disconnect_is_waited_for() -> None:
    connection = Connection()
    connection.cycle.complete()
    assert not (await received(connection))["more_body"]
    waiting = asyncio.ensure_future(connection.cycle.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    connection.cycle.disconnected = True
    connection.cycle.message_event.set()
    assert await waiting == {"type": "http.disconnect"}


async def test_who_still_listens_when_all_is_answered_is_told_of_the_end() -> None:
    connection = Connection()
    connection.cycle.complete()
    await received(connection)
    waiting = asyncio.ensure_future(connection.cycle.receive())
    await asyncio.sleep(0)
    await connection.answer(head(LENGTH_2), body(b"ok"))
    assert await waiting == {"type": "http.disconnect"}


async def test_who_asks_when_all_is_answered_is_told_of_the_end() -> None:
    connection = Connection()
    connection.cycle.complete()
    await received(connection)
    await connection.answer(head(LENGTH_2), body(b"ok"))
    assert await received(connection) == {"type": "http.disconnect"}


async def test_who_waits_to_be_asked_for_a_body_that_is_there_already_is_asked() -> None:
    connection = Connection()
    connection.cycle.waiting_for_100_continue = True
    connection.cycle.body = b"a"
    connection.cycle.complete()
    message = {"type": "http.request", "body": b"a", "more_body": False}
    assert await received(connection) == message
    assert connection.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_a_request_that_is_over_is_no_task_of_the_server_any_more() -> None:
    connection = Connection()
    connection.tasks.add(asyncio.current_task())
    await connection.answer(head(LENGTH_2), body(b"ok"))
    assert not connection.tasks


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
