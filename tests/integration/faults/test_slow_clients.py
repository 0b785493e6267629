"""Clients that send or read as slowly as they can: they are cut off, and nobody else notices."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
import uvloop
from opsboard.entrypoints.protocol import Limits

from ...patience import until
from ..in_process import Connect, Connection, served
from ..server import Server, serving
from .lengths import length
from .test_overload import ask, board_at, get, mixed, post, resident_mib

SLOW = 20
STREAMS = 520
HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: "
UNREAD = 64
LARGE = {"level": "INFO", "type": "OPS", "message": "x" * 900}


async def dribble(connect: Connect, begun: bytes, pause: float = 0.01) -> bytes:
    """Send a beginning, then a byte at a time for as long as the server listens; what it says.

    That may be lost: a byte that comes after its end resets the connection.
    """
    reader, writer = await connect()
    writer.write(begun)
    answer = asyncio.create_task(read_all(reader))
    while not answer.done():
        writer.write(b"x")
        await asyncio.wait([answer], timeout=pause)
    writer.close()
    return await answer


async def read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def assert_closed_for_being_slow(answers: Iterable[bytes]) -> None:
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 408", b""}


async def test_slow_heads_and_bodies_are_cut_off_while_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsboard.adapters.http.body.BODY_DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr("opsboard.adapters.http.content_coding.BODY_DEADLINE_SECONDS", 0.3)
    limits = Limits(head_seconds=0.3)
    bodies = [
        post("/events", b"x" * 9_000)[:-9_000],
        post("/samples", b"x" * 9_000)[:-9_000],
        post("/v1/traces", b"x" * 9_000, "application/x-protobuf")[:-9_000],
    ]
    async with board_at(tmp_path / "ops.db") as (_, app), served(app, limits) as connect:
        slow = [
            asyncio.create_task(dribble(connect, begun))
            for begun in (HEAD, *bodies)
            for _ in range(SLOW)
        ]
        assert [(await ask(connect, mixed(number)))[0] for number in range(9)] == [200] * 9
        assert_closed_for_being_slow(await asyncio.gather(*slow))
        assert (await ask(connect, mixed(9)))[0] == 200


def test_who_stops_reading_an_answer_is_cut_off_while_others_are_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does the log say anything of it, or whoever likes could fill it."""
    # On the loop that servers have: another one takes what is written after the end.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(stop_reading(tmp_path))
    assert [each.getMessage() for each in caplog.records if each.levelno > logging.INFO] == []


async def stop_reading(tmp_path: Path) -> None:
    async with (
        board_at(tmp_path / "ops.db") as (board, app),
        served(app, Limits(stalled_seconds=0.3)) as connect,
    ):
        for number in range(500):
            await board.record_event(f"{number} {'x' * 900}")
        stopped = [await asking_much(connect) for _ in range(SLOW)]
        assert [(await ask(connect, mixed(number)))[0] for number in range(9)] == [200] * 9
        await until(lambda: not connect.held)
        assert len(stopped) == SLOW


async def asking_much(connect: Connect) -> Connection:
    """More is asked for than the system takes for a connection, and none of it is read."""
    reader, writer = await connect()
    transport = cast("asyncio.Transport", writer.transport)
    transport.pause_reading()
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    writer.write(get("/events?limit=500") * UNREAD)
    return reader, writer


async def test_idle_streams_are_as_many_as_may_be_and_others_are_served(tmp_path: Path) -> None:
    await hold_streams(tmp_path, STREAMS)


async def hold_streams(folder: Path, count: int) -> dict[str, float]:
    with serving(f"sqlite:///{folder / 'ops.db'}") as server:

        async def connect() -> Connection:
            return await asyncio.open_connection("127.0.0.1", server.port)

        before = resident_mib(server)
        connections = [await connect() for _ in range(count)]
        for _, writer in connections:
            writer.write(get("/events/stream"))
        heads = await asyncio.gather(*(r.readuntil(b"\r\n\r\n") for r, _ in connections))
        opened = [c for c, head in zip(connections, heads, strict=True) if b" 200 " in head[:16]]
        for head in heads:
            assert b" 200 " in head[:16] or (b" 503 " in head[:16] and b"retry-after" in head)
        assert len(opened) == min(count, 512)
        slowest = 0.0
        for number in range(0, 300, 3):
            started = time.perf_counter()
            assert (await ask(connect, mixed(number)))[0] == 200
            slowest = max(slowest, time.perf_counter() - started)
        for reader, _ in opened:
            await reader.readuntil(b"/297")
        for _, writer in connections:
            writer.close()
        after = resident_mib(server)
        assert server.stop() == 0
    return {"MiB more": after - before, "slowest write in ms": slowest * 1_000}


@pytest.mark.chaos
async def test_a_thousand_idle_streams(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    figures = await hold_streams(tmp_path, length("CHAOS_STREAMS", 1_000))
    for name, value in figures.items():
        record_property(name, round(value))
    assert figures["MiB more"] < 64


@pytest.mark.chaos
async def test_a_thousand_slow_senders_and_readers(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With the server's own limits: 15 seconds for a head, 30 for a body, 15 to read."""
    count = length("CHAOS_SLOW_CLIENTS", 1_000)
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:

        async def connect() -> Connection:
            return await asyncio.open_connection("127.0.0.1", server.port)

        for _ in range(500):
            assert (await ask(connect, post("/events", json.dumps(LARGE).encode())))[0] == 200
        before, held = resident_mib(server), files(server)
        body = post("/events", b"x" * 9_000)[:-9_000]
        kinds: list[Callable[[], asyncio.Task[bytes]]] = [
            lambda: asyncio.create_task(dribble(connect, HEAD, 1)),
            lambda: asyncio.create_task(dribble(connect, body, 1)),
        ]
        slow = [kinds[number % 2]() for number in range(count)]
        stopped = [await asking_much(connect) for _ in range(count // 10)]
        slowest = 0.0
        while not all(task.done() for task in slow):
            started = time.perf_counter()
            assert (await ask(connect, mixed(0)))[0] == 200
            slowest = max(slowest, time.perf_counter() - started)
            await asyncio.sleep(0.2)
        assert_closed_for_being_slow(task.result() for task in slow)
        while files(server) > held:
            await asyncio.sleep(0.2)
        for _, writer in stopped:
            writer.close()
        after = resident_mib(server)
    record_property("slow clients", count)
    record_property("slowest write meanwhile in ms", round(slowest * 1_000))
    record_property("MiB before, and at most", (round(before), round(after)))
    assert after < before + 400


def files(server: Server) -> int:
    """How many files and connections it has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
