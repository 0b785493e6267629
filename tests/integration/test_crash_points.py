"""SIGKILL in the middle of each kind of write: flush, rollup, retention, compaction."""

import subprocess
import sys
from pathlib import Path

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.retention import Retention

from .. import patience
from ..fakes import START_NS, CountingIds, ManualClock
from .crash_child import ROUNDS, SAMPLES_A_ROUND

ROOT = Path(__file__).parents[2]
POINTS = [*range(3, 60, 8), *range(60, 460, 23)]


def run_until(path: Path, statement: int) -> list[str]:
    """What the process said before it died; it is killed at this statement, if it gets there."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.integration.crash_child", str(path), str(statement)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=patience.SECONDS,
        check=False,
    )
    said = child.stdout.splitlines()
    assert child.returncode == (0 if said[-1:] == ["whole"] else -9)
    return said


@pytest.mark.parametrize("statement", POINTS)
async def test_a_kill_leaves_a_file_that_agrees_with_what_was_acknowledged(
    tmp_path: Path, statement: int
) -> None:
    path = tmp_path / "ops.db"
    said = run_until(path, statement)
    samples = sum(int(line.split()[1]) for line in said if line.startswith("samples"))
    events = max((int(line.split()[1]) for line in said if line.startswith("event")), default=0)
    clock = ManualClock(START_NS + ROUNDS * 86_400 * 10**9)
    store = SqliteStore(path, clock)
    forever = Retention.parse("forever")
    async with Opsboard(store, clock, CountingIds(), retention=forever) as board:
        found = (await board.metrics()).requests_total
        newest = await store.journal.head(Stream.EVENTS)
        assert found in (samples, samples + SAMPLES_A_ROUND)
        assert newest.number in (events, events + 1)
        assert [fault async for fault in verify(store)] == []


def test_the_points_reach_into_every_kind_of_work(tmp_path: Path) -> None:
    assert run_until(tmp_path / "whole.db", 10**9)[-1] == "whole"
    assert run_until(tmp_path / "late.db", POINTS[-1])[-1] != "whole"
