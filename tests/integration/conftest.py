from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.ports import Store

from ..fakes import ManualClock
from .server import Server, serving

Reopened = Callable[[], Store]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For tests that record nothing, or look only at what they recorded themselves."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'ops.db'}") as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """For tests that count."""
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:
        yield server


@pytest.fixture(params=["memory", "sqlite"])
def reopened(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Reopened:
    """What gives the same store, not opened yet, each time."""
    memory = MemoryStore(clock)
    if request.param == "memory":
        return lambda: memory
    return lambda: SqliteStore(tmp_path / "ops.db", clock)
