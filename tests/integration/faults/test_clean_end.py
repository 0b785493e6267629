"""SIGTERM while many write: whoever was let in is answered, and what was answered is kept."""

import asyncio
import json
import signal
from pathlib import Path

from ... import patience
from ..server import Server, run, serving
from ..test_crash import kept, request

CONNECTIONS = 64
ENDED_AFTER = 500


class Writing:
    """Posts numbered events over many connections, until the server closes them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.next = 0
        self.acknowledged: dict[int, int] = {}
        self.unanswered: list[int] = []

    async def run(self) -> None:
        await asyncio.gather(*(self.post_all() for _ in range(CONNECTIONS)))

    async def post_all(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        while True:
            number, self.next = self.next, self.next + 1
            try:
                writer.write(request(number))
                head = await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                self.unanswered.append(number)
                break
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self.acknowledged[number] = json.loads(await reader.readexactly(length))["id"]
            if len(self.acknowledged) == ENDED_AFTER:
                self.server.process.send_signal(signal.SIGTERM)
        writer.close()


async def test_under_load_every_request_that_was_taken_is_answered(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        writing = Writing(server)
        async with patience.patiently():
            await writing.run()
        assert server.process.wait(patience.SECONDS) == 0
        assert server.process.stdout is not None
        said = [line for line in server.process.stdout if not line.startswith("{")]
    assert said == ["ended: every request was answered, the journal is flushed\n"]
    assert run("verify", "--store", store).returncode == 0
    with serving(store) as server:
        found = kept(server)
        (row,) = server.client.get("/metrics?route=/events&method=POST").json()["requests"]
    # What got no answer was not taken: a connection may close as its next request is on its way.
    assert {number: found.pop(number) for number in list(writing.acknowledged)} == {
        number: [id] for number, id in writing.acknowledged.items()
    }
    assert found == {}
    assert len(writing.unanswered) == CONNECTIONS
    assert row["count"] == len(writing.acknowledged)
