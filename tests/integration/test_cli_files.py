"""The files that `export` writes and `import` reads."""

import asyncio
import os
import shutil
import stat
import subprocess
from pathlib import Path

import opsboard
import pytest

from .. import patience
from .server import OPSBOARD, run
from .test_cli import one_line


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "ops.db"

    async def fill() -> None:
        async with opsboard.open(f"sqlite:///{path}") as board:
            for n in range(3):
                await board.record_event(f"number {n}")

    asyncio.run(fill())
    return path


@pytest.fixture
def path(tmp_path: Path, made: Path) -> Path:
    """A store with three events."""
    return Path(shutil.copy(made, tmp_path / "ops.db"))


@pytest.mark.parametrize("name", ["ops.db", "./sub/../ops.db", "link", "hard", "ops.db-wal"])
def test_a_store_is_never_exported_onto_itself(path: Path, name: str) -> None:
    (path.parent / "sub").mkdir()
    (path.parent / "link").symlink_to(path)
    (path.parent / "hard").hardlink_to(path)
    before = path.read_bytes()
    ended = run("export", str(path.parent / name), "--store", f"sqlite:///{path}")
    assert ended.returncode == 2
    assert "is the store itself" in one_line(ended.stderr)
    assert path.read_bytes() == before
    assert run("verify", "--store", f"sqlite:///{path}").returncode == 0


@pytest.mark.parametrize("store", ["missing.db", "text.db"])
def test_what_can_not_be_exported_leaves_the_file_as_it_was(tmp_path: Path, store: str) -> None:
    (tmp_path / "text.db").write_text("hello\n" * 100)
    target = tmp_path / "backup.nd"
    target.write_text("the last good one")
    ended = run("export", str(target), "--store", f"sqlite:///{tmp_path / store}")
    assert ended.returncode == 2
    one_line(ended.stderr)
    assert target.read_text() == "the last good one"
    assert {p.name for p in tmp_path.iterdir()} == {"backup.nd", "text.db"}


def test_an_export_takes_the_place_and_the_mode_of_what_was_there(path: Path) -> None:
    target = path.parent / "backup.nd"
    target.write_text("old")
    target.chmod(0o600)
    (path.parent / "latest").symlink_to(target)
    for name in ("backup.nd", "latest"):
        assert run("export", str(path.parent / name), "--store", f"sqlite:///{path}").stderr
        assert target.read_bytes().count(b"\n") == 3
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (path.parent / "latest").is_symlink()
    assert not list(path.parent.glob(".*"))


def test_a_pipe_gets_the_bytes_as_they_come(path: Path) -> None:
    ended = run("export", "/dev/stdout", "--store", f"sqlite:///{path}")
    assert ended.stdout.count(b"\n") == 3
    assert ended.stderr == b"3 entries exported\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["import", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["import", "/"], "/: Is a directory"),
        (["export", "/nonexistent/x"], "/nonexistent/x: No such file or directory"),
        (["export", "/"], "/: Is a directory"),
        (["export", "/dev/full"], "/dev/full: No space left on device"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_line(
    path: Path, arguments: list[str], named: str
) -> None:
    ended = run(*arguments, "--store", f"sqlite:///{path}")
    assert ended.returncode == 2
    assert one_line(ended.stderr) == f"opsboard: {named}"


def test_a_full_standard_output_is_one_line(path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [OPSBOARD, "export", "--store", f"sqlite:///{path}"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=patience.SECONDS,
            env=os.environ,
        )
    assert ended.returncode == 2
    assert "No space left on device" in one_line(ended.stderr)
