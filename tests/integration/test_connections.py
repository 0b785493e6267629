"""Connections that never become a request, requests without end, more than there is room for."""

import asyncio
import json
import socket
from collections import Counter
from typing import Any

import pytest
from opsboard.entrypoints.protocol import Limits, bounded_by, limits_of_this_process

from .. import patience
from .in_process import served
from .server import Server

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers the names of the headers, once the body is there."""
    while (await receive()).get("more_body"):
        pass
    names = b" ".join(name for name, _ in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": names})


def problem(answer: bytes, status: int) -> dict[str, Any]:
    """The problem of a refusal, which has all that an app's own answer has."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    fields = head.lower().split(b"\r\n")
    for field in (
        b"content-type: application/problem+json",
        b"connection: close",
        b"x-content-type-options: nosniff",
        b"cache-control: no-store",
        b"content-length: %d" % len(body),
    ):
        assert fields.count(field) == 1, field
    found: dict[str, Any] = json.loads(body)
    assert found["status"] == status
    return found


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"])
async def test_who_sends_no_complete_head_is_told_and_closed(sent: bytes) -> None:
    async with served(hello, Limits(head_seconds=0.01)) as connect:
        reader, writer = await connect()
        writer.write(sent)
        assert "No complete request" in problem(await reader.read(), 408)["detail"]


@pytest.mark.parametrize("sent", [b"\r\n", b"GET / HTT"])
async def test_the_next_request_on_a_connection_has_the_same_deadline(sent: bytes) -> None:
    protocol = bounded_by(Limits())
    async with served(hello, protocol) as connect:
        reader, writer = await connect()
        writer.write(GET)
        assert (await reader.readuntil(b"hello\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        protocol.limits = Limits(head_seconds=0.01)
        writer.write(sent)
        problem(await reader.read(), 408)


async def test_a_body_that_nobody_reads_any_more_has_to_end() -> None:
    protocol = bounded_by(Limits())
    async with served(hello, protocol) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        await reader.readuntil(b"hello\r\n0\r\n\r\n")
        protocol.limits = Limits(head_seconds=0.01)
        writer.write(b"x")
        assert await reader.read() == b""


async def test_what_is_complete_in_time_is_answered() -> None:
    async with served(hello, Limits()) as connect:
        reader, writer = await connect()
        for part in (GET[:9], GET[9:], GET + GET):
            writer.write(part)
        for _ in range(3):
            await reader.readuntil(b"hello\r\n0\r\n\r\n")


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 2_000 + b" HTTP/1.1\r\nHost: x", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 2_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x" + b"\r\nA: x" * 1_000, 431),
    ],
)
async def test_a_head_without_end_is_refused(head: bytes, end: bytes, status: int) -> None:
    async with served(hello, Limits(head_bytes=1_000)) as connect:
        reader, writer = await connect()
        writer.write(head + end)
        assert "at most 1000 bytes" in problem(await reader.read(), status)["detail"]


async def test_a_long_body_behind_a_short_head_is_none_of_that() -> None:
    async with served(hello, Limits(head_bytes=1_000)) as connect:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9_000)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "piece", [b"2;" + b"a" * 600, b"0\r\nA: " + b"x" * 600, b"0\r\n" + b"A: x\r\n" * 100]
)
async def test_what_is_none_of_a_body_has_to_end_too(piece: bytes) -> None:
    async with served(echo, Limits(head_bytes=1_000)) as connect:
        reader, writer = await connect()
        writer.write(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"100 Continue\r\n\r\n")
        writer.write(piece)
        writer.write(b"y" * 1_200)
        assert "at most 1000 bytes" in problem(await reader.read(), 431)["detail"]


async def test_a_trailer_is_no_header() -> None:
    async with served(echo, Limits()) as connect:
        reader, writer = await connect()
        writer.write(CHUNKED + b"2\r\nab\r\n0\r\nX-Ops-Token: t\r\n\r\n" + GET)
        for names in (b"host transfer-encoding", b"host"):
            assert names in await reader.readuntil(b"\r\n0\r\n\r\n")


async def test_a_body_may_come_byte_by_byte() -> None:
    async with served(echo, Limits(head_bytes=1_000)) as connect:
        reader, writer = await connect()
        writer.write(CHUNKED)
        for _ in range(1_000):
            writer.write(b"1\r\na\r\n")
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_beyond_the_room_there_is_clients_are_told_to_wait() -> None:
    async with served(hello, Limits(answered=1, connections=2)) as connect:
        first, writer = await connect()
        writer.write(GET)
        await first.readuntil(b"hello\r\n0\r\n\r\n")
        second, writer_of_second = await connect()
        writer_of_second.write(GET)
        answer = await second.read()
        assert "Too many connections" in problem(answer, 503)["detail"]
        assert b"retry-after: 1\r\n" in answer
        writer.write(GET)
        await first.readuntil(b"hello\r\n0\r\n\r\n")


async def test_beyond_the_files_there_are_connections_are_closed() -> None:
    async with served(hello, Limits(connections=1)) as connect:
        first, writer = await connect()
        writer.write(GET)
        await first.readuntil(b"hello\r\n0\r\n\r\n")
        second, _ = await connect()
        with pytest.raises((ConnectionError, EOFError)):
            await second.readexactly(1)


def test_the_limits_leave_files_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 1_024))
    monkeypatch.setattr("resource.setrlimit", lambda _, wanted: asked.append(wanted))
    limits = limits_of_this_process()
    assert asked == [(1_024, 1_024)]
    assert (limits.answered, limits.connections) == (840, 960)


@pytest.mark.parametrize("line", [b"GARBAGE", b"GET /\x00 HTTP/1.1"])
def test_what_is_no_http_is_refused_as_a_problem(shared_server: Server, line: bytes) -> None:
    with socket.create_connection(
        ("127.0.0.1", shared_server.port), timeout=patience.SECONDS
    ) as connection:
        connection.sendall(line + b"\r\nHost: x\r\n\r\n")
        problem(b"".join(iter(lambda: connection.recv(65_536), b"")), 400)


async def test_what_no_route_sees_is_counted() -> None:
    refused: Counter[str] = Counter()
    async with served(hello, Limits(answered=1, head_bytes=1_000), refused) as connect:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 2_000 + b"\r\n\r\n")
        assert b" 431 " in await reader.readline()
        writer.close()
    assert refused["431"] == 1


async def test_who_is_refused_before_his_body_came_stands_in_no_line() -> None:
    """The rest of a body that nobody waits for any more would make a crowd of nobody."""
    protocol = bounded_by(Limits())
    async with served(hello, protocol) as connect:
        for _ in range(3):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
            await reader.readuntil(b"hello\r\n0\r\n\r\n")
            writer.write(b"{}" + GET)
            await reader.readuntil(b"hello\r\n0\r\n\r\n")
        assert protocol.line.waiting == 0
