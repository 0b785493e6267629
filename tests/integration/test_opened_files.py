import os
import shutil
from pathlib import Path

import pytest
from opsboard.adapters.sqlite.opened_files import OpenedFiles
from opsboard.application.errors import StoreUnavailable

LONG_AGO = 1_000_000_000
MUCH_LATER = 10**18


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for ending in ("", "-wal", "-shm"):
        (folder / f"ops.db{ending}").touch()
    changed_at(folder, LONG_AGO)
    return folder / "ops.db"


def changed_at(folder: Path, ns: int) -> None:
    os.utime(folder, ns=(ns, ns))


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_what_is_removed_from_a_folder_that_was_quiet_is_missed(path: Path, ending: str) -> None:
    files = OpenedFiles(path, now=lambda: MUCH_LATER)
    files.check()
    files.check()
    gone = path.with_name(f"ops.db{ending}")
    gone.rename(path.with_name("away"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"^{gone.name} was removed"):
            files.check()
    path.with_name("away").rename(gone)
    files.check()


def test_a_folder_that_was_not_quiet_for_a_second_is_looked_through(path: Path) -> None:
    files = OpenedFiles(path, now=lambda: LONG_AGO + 10**9)
    files.check()
    path.unlink()
    changed_at(path.parent, LONG_AGO)
    with pytest.raises(StoreUnavailable, match="was removed"):
        files.check()


def test_another_folder_of_the_name_has_other_files(path: Path, tmp_path: Path) -> None:
    files = OpenedFiles(path, now=lambda: MUCH_LATER)
    files.check()
    path.parent.rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable, match="was removed"):
        files.check()
    shutil.copytree(tmp_path / "away", path.parent)
    changed_at(path.parent, LONG_AGO)
    with pytest.raises(StoreUnavailable, match="was replaced"):
        files.check()


def test_what_a_link_leads_to_may_change_without_its_folder(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.mkdir()
    (link / "ops.db").symlink_to(path)
    changed_at(link, LONG_AGO)
    files = OpenedFiles(link / "ops.db", now=lambda: MUCH_LATER)
    files.check()
    path.unlink()
    with pytest.raises(StoreUnavailable, match="was removed"):
        files.check()
