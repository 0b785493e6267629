"""A process that works on a store and kills itself in the middle of the n-th statement it writes.

Usage: crash_child.py STORE STATEMENT. Each thing that was acknowledged is a line on standard
output before the next one is begun.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from opsboard.adapters.sqlite import SqliteStore
from opsboard.adapters.sqlite.writer import GroupCommit
from opsboard.application.board import Opsboard
from opsboard.domain.retention import DAY_NS, Retention

from tests.fakes import SECOND_NS, CountingIds, ManualClock, sample

ROUNDS = 12
SAMPLES_A_ROUND = 40


def say(line: str) -> None:
    """A line whole or not at all, whenever this process dies."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


class Fuse:
    """Counts statements, and burns at the last one."""

    def __init__(self, statements: int) -> None:
        self.left = statements

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def put_in(fuse: Fuse) -> None:
    execute, executemany = GroupCommit.execute, GroupCommit.executemany

    def burning_execute(connection: GroupCommit, *arguments: Any) -> Any:
        fuse.burn()
        return execute(connection, *arguments)

    def burning_executemany(connection: GroupCommit, *arguments: Any) -> Any:
        fuse.burn()
        return executemany(connection, *arguments)

    GroupCommit.execute = burning_execute  # type: ignore[method-assign,assignment]
    GroupCommit.executemany = burning_executemany  # type: ignore[method-assign,assignment]


async def work(path: Path) -> None:
    """Samples of two weeks, events, rollups, retention and compaction, in an order of its own."""
    clock = ManualClock()
    board = Opsboard(
        SqliteStore(path, clock),
        clock,
        CountingIds(),
        retention=Retention(raw=2 * DAY_NS, minutes=4 * DAY_NS, hours=6 * DAY_NS, events=DAY_NS),
    )
    async with board:
        for number in range(ROUNDS):
            batch = [
                sample(f"/{i % 3}", ms=1 + i, ended_at=clock.now() - i * 7 * SECOND_NS)
                for i in range(SAMPLES_A_ROUND)
            ]
            say(f"samples {await board.record_samples(batch)}")
            event = await board.record_event(f"round {number}", service="child")
            say(f"event {event.id}")
            await board.rollups.catch_up()
            await board.rollups.save()
            await board.projections["event_index"].catch_up()
            clock.advance(DAY_NS)
            await board.retainer.remove_due()
            async for _ in board.store.compact():
                pass
    say("whole")


if __name__ == "__main__":
    put_in(Fuse(int(sys.argv[2])))
    asyncio.run(work(Path(sys.argv[1])))
