"""What an import takes, what it passes over, and which line it refuses."""

import json
from collections.abc import Sequence

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application import transfer
from opsboard.application.board import Opsboard
from opsboard.application.errors import BrokenChain
from opsboard.domain.entry import Encoded, Stream, append_to

from ..fakes import CountingIds, ManualClock


@pytest.fixture
async def lines(clock: ManualClock) -> list[bytes]:
    """Five events, a line each."""
    board = Opsboard(MemoryStore(clock), clock, CountingIds())
    for n in range(1, 6):
        await board.record_event(f"number {n}")
    return [line async for line in transfer.export(board.store.journal)]


async def restored(store: MemoryStore, lines: Sequence[bytes]) -> tuple[int, int]:
    """Imported, and already there."""
    found = [so_far async for so_far in transfer.restore(store.journal, lines)][-1]
    return found.imported, found.present


async def kept(store: MemoryStore) -> int:
    return (await store.journal.head(Stream.EVENTS)).number


def changed(line: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(line) | fields).encode()


async def test_the_same_lines_twice_are_taken_once(memory: MemoryStore, lines: list[bytes]) -> None:
    assert await restored(memory, lines + lines) == (5, 5)
    assert await restored(memory, lines[2:4]) == (0, 2)
    assert await restored(memory, lines[:1] * 3) == (0, 3)


@pytest.mark.parametrize("at", range(5))
async def test_a_line_that_is_there_already_is_compared(
    memory: MemoryStore, lines: list[bytes], at: int
) -> None:
    await restored(memory, lines)
    payload = json.loads(lines[at])["payload"] | {"message": "forged"}
    forged = [*lines[:at], changed(lines[at], payload=payload), *lines[at + 1 :]]
    with pytest.raises(BrokenChain, match=f"line {at + 1}: the store holds another journal"):
        await restored(memory, forged)


@pytest.mark.parametrize("at", range(5))
async def test_the_line_at_which_the_chain_breaks_is_named_and_what_came_before_it_stays(
    memory: MemoryStore, lines: list[bytes], at: int
) -> None:
    forged = [*lines[:at], changed(lines[at], recorded_at=7), *lines[at + 1 :]]
    with pytest.raises(BrokenChain, match=f"line {at + 1}: events {at + 1} does not follow"):
        await restored(memory, forged)
    assert await kept(memory) == at


async def test_a_gap_is_named(memory: MemoryStore, lines: list[bytes]) -> None:
    with pytest.raises(BrokenChain, match="line 3: events 4 does not follow the entry before it"):
        await restored(memory, [*lines[:2], *lines[3:]])
    assert await kept(memory) == 2


@pytest.mark.parametrize("bad", [b"{}", b"", b'{"stream":"events","number":'])
async def test_what_came_before_a_line_that_is_none_stays(
    memory: MemoryStore, lines: list[bytes], bad: bytes
) -> None:
    with pytest.raises(transfer.MalformedExport, match="line 4: is no entry of an export"):
        await restored(memory, [*lines[:3], bad, *lines[3:]])
    assert await kept(memory) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"recorded_at": 2**63},
        {"recorded_at": -1},
        {"number": 0},
        {"number": 2**63},
        {"version": 2**64},
        {"hash": "é"},
    ],
)
async def test_numbers_that_no_store_has_room_for_are_refused(
    memory: MemoryStore, lines: list[bytes], fields: dict[str, object]
) -> None:
    with pytest.raises(transfer.MalformedExport, match="line 1: is no entry of an export"):
        await restored(memory, [changed(lines[0], **fields)])


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (Encoded("gossip", 1, b"{}"), "'gossip' version 1 is not known"),
        (Encoded("event", 99, b"{}"), "'event' version 99 is not known"),
        (Encoded("event", 1, b'{"ts":1}'), "'event' version 1 is damaged"),
    ],
)
async def test_an_entry_that_nobody_could_read_is_refused(
    memory: MemoryStore, lines: list[bytes], encoded: Encoded, reason: str
) -> None:
    """The chain holds, so it is only by reading it that such an entry is found."""
    await restored(memory, lines)
    head = await memory.journal.head(Stream.EVENTS)
    (unreadable,) = append_to(Stream.EVENTS, head, [encoded], head.recorded_at, None)
    line = transfer._encode(transfer._line(unreadable))
    with pytest.raises(transfer.MalformedExport, match=f"line 6: {reason}"):
        await restored(memory, [*lines, line])
    assert await kept(memory) == 5
