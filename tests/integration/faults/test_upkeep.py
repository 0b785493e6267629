"""Two servers on one file, and the commands that look after it, all at once."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import opsboard
import pytest
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream

from ..server import OPSBOARD, TOKEN, Server, environment, run, serving

BEFORE = 3_000
SAMPLES_AT_ONCE = 20
COMMANDS = [["backup", "{folder}/copy.db"], ["compact"], ["verify"], ["rebuild"], ["stats"]]


class Writers:
    """What posts events and samples to servers, and knows what was acknowledged."""

    def __init__(self) -> None:
        self.events: dict[int, str] = {}
        self.samples = 0
        self.some = asyncio.Event()
        """That there is something to lose."""
        self.stopped = asyncio.Event()

    async def events_to(self, server: Server, name: str) -> None:
        async with connected(server) as (reader, writer):
            number = 0
            while not self.stopped.is_set():
                number += 1
                message = f"{name} {number}"
                body = {"level": "INFO", "type": "OPS", "message": message}
                answer = await posted(reader, writer, "/events", body)
                assert answer["id"] not in self.events
                self.events[answer["id"]] = message

    async def samples_to(self, server: Server, name: str) -> None:
        one = {"route": "/", "method": "GET", "status_code": 200, "latency_ms": 1, "service": name}
        async with connected(server) as (reader, writer):
            while not self.stopped.is_set():
                answer = await posted(reader, writer, "/samples", [one] * SAMPLES_AT_ONCE)
                self.samples += answer["accepted"]
                self.some.set()


@contextmanager
def none_carried_into(path: Path) -> Iterator[None]:
    """What is written stays in the log as long as somebody reads what was before it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM store").fetchall()
        yield


@asynccontextmanager
async def connected(
    server: Server,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield reader, writer
    writer.close()
    await writer.wait_closed()


async def posted(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: object
) -> dict[str, int]:
    """The answer to a POST that has to be taken."""
    content = json.dumps(body).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {TOKEN}\r\nContent-Type: application/json"
        f"\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    answer = await reader.readexactly(length)
    assert head.startswith(b"HTTP/1.1 200 "), (head, answer)
    found: dict[str, int] = json.loads(answer)
    return found


async def command(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        OPSBOARD,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, (arguments, said)


@pytest.fixture
async def store(tmp_path: Path) -> str:
    """A file with events, of which half were removed, so that there is space to give back."""
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    async with opsboard.open(url, retention="forever") as board:
        drafts = [
            {"level": "INFO", "type": "OPS", "service": "api", "message": f"{n}", "meta": {"n": n}}
            for n in range(BEFORE)
        ]
        await board.recorder.record_all(drafts, None)  # type: ignore[arg-type]
        await board.projections["event_index"].catch_up()
        await board.store.event_index.trim(BEFORE // 2)
        await board.store.journal.trim(Stream.EVENTS, BEFORE // 2)
    return url


async def test_two_servers_and_every_command_at_once_lose_and_double_nothing(
    tmp_path: Path, store: str
) -> None:
    writers = Writers()
    with serving(store) as one, serving(store) as other:
        async with asyncio.TaskGroup() as group:
            for name, server in (("one", one), ("other", other)):
                for place in range(2):
                    group.create_task(writers.events_to(server, f"{name}-{place}"))
                group.create_task(writers.samples_to(server, name))
            for arguments in COMMANDS:
                named = [argument.format(folder=tmp_path) for argument in arguments]
                await command(*named, "--store", store)
            writers.stopped.set()
        for server in (one, other):
            rows = server.client.get("/metrics").json()["requests"]
            counted = sum(row["count"] for row in rows if row["service"] in {"one", "other"})
            assert counted == writers.samples > 0
            assert kept(server) == writers.events
        assert one.stop() == other.stop() == 0
    assert run("verify", "--store", store).returncode == 0
    assert sorted(writers.events) == list(range(BEFORE + 1, BEFORE + 1 + len(writers.events)))
    assert {message.split("-")[0] for message in writers.events.values()} == {"one", "other"}


def kept(server: Server) -> dict[int, str]:
    """The events that were written since, by their ids."""
    found: dict[int, str] = {}
    answer = server.client.get("/events?limit=500")
    while True:
        found |= {each["id"]: each["message"] for each in answer.json() if each["id"] > BEFORE}
        if "next" not in answer.links or len(answer.json()) == 0:
            return found
        answer = server.client.get(answer.links["next"]["url"])


async def test_a_backup_that_was_made_under_load_opens_and_verifies(
    tmp_path: Path, store: str
) -> None:
    """It is the store as it was at one moment: events up to one, and none beyond it.

    Meanwhile the newest events are in the log only, and a copy of the file alone has none of them.
    """
    writers = Writers()
    with serving(store) as server, none_carried_into(tmp_path / "ops.db"):
        async with asyncio.TaskGroup() as group:
            group.create_task(writers.events_to(server, "one"))
            group.create_task(writers.samples_to(server, "one"))
            await writers.some.wait()
            while not writers.events:
                await asyncio.sleep(0)
            before = dict(writers.events)
            await command("backup", str(tmp_path / "copy.db"), "--store", store)
            writers.stopped.set()
        assert server.stop() == 0
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    assert run("verify", "--store", copy).returncode == 0
    async with opsboard.open(copy) as board:
        found = (await board.event_queries.search(limit=500)).events
        ids = [event.id for event in found]
        assert ids == list(range(ids[0], ids[0] - len(ids), -1))
        assert ids[0] >= max(before)
        written = {event.id: event.event.message for event in found if event.id > BEFORE}
        assert written.items() <= writers.events.items()
        assert (await board.metrics(service="one")).requests_total <= writers.samples
        assert [fault async for fault in verify(board.store)] == []
