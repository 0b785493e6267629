from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store

from .fakes import CountingIds, ManualClock
from .tries import tries

EXAMPLES = 100

settings.register_profile(
    "deterministic", derandomize=True, deadline=None, max_examples=tries(EXAMPLES)
)
settings.load_profile("deterministic")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
async def board(memory: MemoryStore, clock: ManualClock) -> AsyncIterator[Opsboard]:
    async with Opsboard(memory, clock, CountingIds()) as running:
        yield running


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Store]:
    """Every adapter of the Store port, in turn."""
    made: Store = (
        MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "ops.db", clock)
    )
    async with made.opened():
        yield made
