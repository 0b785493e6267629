"""SIGKILL in the middle of each kind of write: flush, rollup, retention, compaction."""

import os
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.retention import Retention

from .. import patience
from ..fakes import START_NS, CountingIds, ManualClock
from .crash_child import ROUNDS, SAMPLES_A_ROUND
from .processes import Process
from .server import environment

POINTS = [*range(3, 60, 8), *range(60, 460, 23)]


def run_until(path: Path, statement: int) -> list[str]:
    """What the process said before it died; it is killed at this statement, if it gets there."""
    with TemporaryFile() as output, Path(os.devnull).open() as nothing:
        streams = (nothing.fileno(), output.fileno(), 2)
        command = ("tests.integration.crash_child", str(path), str(statement))
        ended = Process(command, environment(), streams).wait(patience.SECONDS)
        output.seek(0)
        said = output.read().decode().splitlines()
    assert ended == (0 if said[-1:] == ["whole"] else -9)
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
