"""A server and another process append to one file: each sees what the other wrote."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import opsboard
from opsboard.adapters.sqlite import store as sqlite_store

from .. import patience
from .server import environment, serving

FOLLOWER = str(Path(__file__).with_name("follower.py"))
EVENTS = 20


class Follower:
    """Another process over the same file."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: dict[tuple[str, str], int] = {}
        self.seen: list[str] = []

    def write(self, message: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{message}\n")
        self.process.stdin.flush()

    def until(self, what: str, message: str) -> int:
        """When it said so, in ns since 1970."""
        assert self.process.stdout is not None
        while (what, message) not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended without {what} {message}"
            said, about, at = line.split()
            self.said[said, about] = int(at)
            if said == "saw":
                self.seen.append(about)
        return self.said[what, message]


@contextmanager
def following(store: str) -> Iterator[Follower]:
    with subprocess.Popen(
        [sys.executable, FOLLOWER, store],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            follower = Follower(process)
            follower.until("ready", "-")
            yield follower
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=patience.SECONDS) == 0
        finally:
            process.kill()


async def test_each_process_follows_what_the_others_write(tmp_path: Path) -> None:
    """A server and two more; each one's events have their place in one order, the same for all."""
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server, following(store) as one, following(store) as other:
        for number in range(EVENTS):
            assert server.post_event(message=f"s{number}").status_code == 200
            one.write(f"a{number}")
            other.write(f"b{number}")
        written = {f"{writer}{number}" for writer in "sab" for number in range(EVENTS)}
        for follower in (one, other):
            for message in written:
                follower.until("saw", message)
        answered = server.client.get("/events", params={"limit": 500}).json()
        assert server.stop() == 0
    order = [event["message"] for event in reversed(answered)]
    assert set(order) == written
    assert [event["id"] for event in reversed(answered)] == list(range(1, len(written) + 1))
    assert one.seen == other.seen == order
    async with opsboard.open(store) as board:
        assert (await board.event_queries.summarise()).by_level == {"INFO": len(written)}


def test_the_file_is_looked_at_often_enough() -> None:
    """Within 250 ms is promised: an entry is found at the next look, some ms after it was due."""
    assert sqlite_store.POLL_SECONDS <= 0.1
