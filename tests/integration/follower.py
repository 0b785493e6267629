"""A process that shares a store: writes an event for each line it reads, and says what it sees.

Its lines: `wrote MESSAGE NS` once an event is durable, `saw MESSAGE NS` when `follow` gives one.
"""

import asyncio
import sys
import time

import opsboard
from opsboard.domain.entry import Stream
from opsboard.domain.event import OperationalEvent


def say(what: str, message: str) -> None:
    sys.stdout.write(f"{what} {message} {time.time_ns()}\n")
    sys.stdout.flush()


async def watch(board: opsboard.Opsboard) -> None:
    async for page in board.store.journal.follow(Stream.EVENTS):
        for recorded in page:
            event = board.store.journal.decode(recorded)
            if isinstance(event, OperationalEvent):
                say("saw", event.message)


async def main(store: str) -> None:
    async with opsboard.open(store) as board:
        watching = asyncio.create_task(watch(board))
        say("ready", "-")
        while line := await asyncio.to_thread(sys.stdin.readline):
            await board.record_event(line.strip())
            say("wrote", line.strip())
        watching.cancel()


asyncio.run(main(sys.argv[1]))
