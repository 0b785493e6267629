"""The power goes at any moment: what was acknowledged is there, and nothing by half."""

import random
import sys
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.retention import DAY_NS, Retention

from ...fakes import START_NS, CountingIds, ManualClock
from ..crash_child import ROUNDS, SAMPLES_A_ROUND
from .lengths import length
from .machine import needs_strace
from .simulated_disk import Call, Disk, traced

ROOT = Path(__file__).parents[3]
SEED = 11
CHILD = """
import asyncio, sys
from pathlib import Path
from opsboard.adapters.sqlite import checkpoint
from tests.integration.crash_child import work
checkpoint.EVERY_SECONDS = float(sys.argv[2])
asyncio.run(work(Path(sys.argv[1])))
"""


async def check(path: Path, told: list[str]) -> None:
    """All that was told to be durable is there, and at most what was under way beside it."""
    samples = sum(int(line.split()[1]) for line in told if line.startswith("samples"))
    events = max((int(line.split()[1]) for line in told if line.startswith("event")), default=0)
    clock = ManualClock(START_NS + ROUNDS * DAY_NS)
    store = SqliteStore(path, clock)
    forever = Retention.parse("forever")
    async with Opsboard(store, clock, CountingIds(), retention=forever) as board:
        found = (await board.metrics()).requests_total
        assert found in (samples, samples + SAMPLES_A_ROUND)
        assert (await store.journal.head(Stream.EVENTS)).number in (events, events + 1)
        assert [fault async for fault in verify(store)] == []


async def cut_at_random(tmp_path: Path, checkpoint_seconds: float, cuts: int) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [sys.executable, "-c", CHILD, str(folder / "ops.db"), str(checkpoint_seconds)]
    calls: list[Call] = traced(command, tmp_path / "log", ROOT)
    chance = random.Random(SEED)
    moments = set(chance.sample(range(len(calls)), cuts))
    disk = Disk(folder)
    for number, call in enumerate(calls):
        disk.after(call)
        if number in moments:
            image = tmp_path / f"cut-{number}"
            image.mkdir()
            if "ops.db" in disk.cut(chance, image):
                await check(image / "ops.db", disk.told)
            else:
                assert not disk.told
    assert disk.told[-1] == "whole"


@pytest.mark.parametrize("checkpoint_seconds", [0, 1])
async def test_a_cut_at_any_write_loses_nothing_that_was_acknowledged(
    tmp_path: Path, checkpoint_seconds: float
) -> None:
    needs_strace()
    await cut_at_random(tmp_path, checkpoint_seconds, 12)


@pytest.mark.chaos
@pytest.mark.parametrize("checkpoint_seconds", [0, 0.02, 1])
async def test_many_cuts(tmp_path: Path, checkpoint_seconds: float) -> None:
    needs_strace()
    await cut_at_random(tmp_path, checkpoint_seconds, length("CHAOS_CUTS", 500))
