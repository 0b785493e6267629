import os
from pathlib import Path

import pytest
from opsboard.adapters.sqlite.backup import _synced_part_by_part

from ..patience import eventually


def test_what_is_copied_goes_on_to_the_disk_before_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    copy = tmp_path / "copy.db"
    with _synced_part_by_part(copy):
        copy.touch()
        eventually(lambda: len(synced) > 1)


def test_a_part_that_did_not_reach_the_disk_is_told_though_the_next_one_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[int] = []

    def fails(file: int) -> None:
        failed.append(file)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    copy = tmp_path / "copy.db"
    copy.touch()
    with pytest.raises(OSError, match="Input/output"), _synced_part_by_part(copy):
        eventually(lambda: failed)
    assert failed
