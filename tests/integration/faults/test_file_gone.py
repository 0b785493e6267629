"""A store's file that is removed or replaced while it is open: nobody would find what is written.

SQLite notices neither: it goes on in the file that has no name any more.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ..server import run, serving
from .serving_on import check_reads, check_refusal, check_verified, messages, until


def remove(path: Path) -> None:
    path.rename(path.with_name("away"))


def replace_by_a_copy(path: Path) -> None:
    remove(path)
    shutil.copy(path.with_name("away"), path)


def put_back(path: Path) -> None:
    path.with_name("away").replace(path)


REMOVED, REPLACED = (remove, "was removed"), (replace_by_a_copy, "was replaced")


@pytest.mark.parametrize(
    ("ending", "spoil", "said"),
    [
        ("", *REMOVED),
        ("", *REPLACED),
        ("-wal", *REMOVED),
        pytest.param("-wal", *REPLACED, marks=pytest.mark.chaos),
        pytest.param("-shm", *REMOVED, marks=pytest.mark.chaos),
        pytest.param("-shm", *REPLACED, marks=pytest.mark.chaos),
    ],
)
def test_nothing_is_acknowledged_into_a_file_that_nobody_finds(
    tmp_path: Path, ending: str, spoil: Callable[[Path], None], said: str
) -> None:
    store = tmp_path / "ops.db"
    file = tmp_path / f"ops.db{ending}"
    with serving(f"sqlite:///{store}") as server:
        assert server.post_event(message="kept").status_code == 200
        spoil(file)
        check_refusal(server.post_event(message="lost"), f"{file.name} {said} while it was open")
        detail = until(server, "/readyz", 503).json()["checks"]["store"]["detail"]
        assert f"{file.name} {said}" in detail
        check_reads(server)
        put_back(file)
        assert server.post_event(message="after").status_code == 200
        until(server, "/readyz", 200)
        assert messages(server) == ["kept", "after"]
        assert server.stop() == 0
    check_verified(f"sqlite:///{store}")


def test_a_server_whose_file_is_gone_for_good_ends_and_says_what_it_could_not_write(
    tmp_path: Path,
) -> None:
    store = tmp_path / "ops.db"
    with serving(f"sqlite:///{store}") as server:
        server.post_event(message="kept")
        run("backup", str(tmp_path / "backup.db"), "--store", f"sqlite:///{store}")
        server.post_event(message="only in the file that goes")
        (tmp_path / "backup.db").replace(store)
        assert server.post_event(message="lost").status_code == 503
        assert server.stop() == 0
        assert server.process.stdout is not None
        said = server.process.stdout.read()
    assert "request samples could not be written" in said
    check_verified(f"sqlite:///{store}")
    with serving(f"sqlite:///{store}") as server:
        assert messages(server) == ["kept"]
