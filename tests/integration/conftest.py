from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import Server, serving


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
