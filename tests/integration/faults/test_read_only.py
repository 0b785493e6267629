"""A file system that takes no writes when a process starts; `test_disk_errors` has it later on."""

import shlex
import subprocess
from pathlib import Path

import pytest

from ..server import OPSBOARD, environment, run
from .machine import needs_own_mounts, read_only


@pytest.mark.parametrize(
    ("command", "is_new"),
    [("serve", False), ("serve", True), ("event", False), ("verify", False)],
)
def test_a_read_only_file_system_is_refused_in_one_line(
    tmp_path: Path, command: str, *, is_new: bool
) -> None:
    needs_own_mounts()
    folder = tmp_path / "folder"
    folder.mkdir()
    store = folder / "ops.db"
    if not is_new:
        assert run("event", "kept", "--store", f"sqlite:///{store}").returncode == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments = [command, *(["hi"] if command == "event" else [])]
    ended = subprocess.run(
        [*read_only(folder), OPSBOARD, *arguments, "--store", f"sqlite:///{store}"],
        capture_output=True,
        text=True,
        env=environment(OPS_PORT="0"),
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, shlex.join(map(str, ended.args))
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"opsboard: {store}: ")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
