"""Whether the files that are open are still those that their names lead to."""

import time
from collections.abc import Callable
from pathlib import Path

from ...application.errors import StoreUnavailable

_BESIDE = ("", "-wal", "-shm")
_TICK_NS = 1_000_000_000
"""Far longer than it takes until a folder that changes again shows another time."""
_Identity = tuple[int, int] | None
_Folder = tuple[int, int, int] | None


class OpenedFiles:
    """The store's file, its write-ahead log and that log's index, as they were when opened.

    What is written to a file without a name is gone with the last process that has it open, and
    who opens the name gets another one. A folder in which nothing was made, removed or renamed
    needs no closer look: so there is one question to the system for each commit, and not three.
    """

    def __init__(self, path: Path, now: Callable[[], int] = time.time_ns) -> None:
        """Keep in mind what the names lead to now: the files are to be open already.

        `now` is the time in ns since 1970, as the file system has it.
        """
        self._path = path
        self._now = now
        self._opened = {name: _identity(name) for name in map(self._beside, _BESIDE)}
        self._folder = None if path.is_symlink() else path.parent
        self._checked: _Folder = None

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(self._path.name + ending)

    @property
    def log_is_left_alone(self) -> bool:
        """Whether the write-ahead log lies beside a file that it does not belong to, or none."""
        return self._is_gone("") and not self._is_gone("-wal")

    def _is_gone(self, ending: str) -> bool:
        path = self._beside(ending)
        return _identity(path) != self._opened[path]

    def check(self) -> None:
        """Raise `StoreUnavailable` naming the first file that was removed or replaced."""
        folder = self._folder_now()
        if folder is not None and folder == self._checked:
            return
        self._check_each()
        # One that changed just now may change again, and show the same time.
        is_old = folder is not None and folder[-1] < self._now() - _TICK_NS
        self._checked = folder if is_old else None

    def _folder_now(self) -> _Folder:
        """Which folder it is, and when something in it was last made, removed or renamed."""
        try:
            found = self._folder.stat() if self._folder else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino, found.st_mtime_ns) if found else None

    def _check_each(self) -> None:
        for path, opened in self._opened.items():
            now = _identity(path)
            if now != opened:
                what = "was removed" if now is None else "was replaced"
                raise StoreUnavailable(
                    f"{path.name} {what} while it was open; bring it back, or start again"
                )


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
