"""Whether the files that are open are still those that their names lead to."""

from pathlib import Path

from ...application.errors import StoreUnavailable

_BESIDE = ("", "-wal", "-shm")
_Identity = tuple[int, int] | None


class OpenedFiles:
    """The store's file, its write-ahead log and that log's index, as they were when opened.

    What is written to a file without a name is gone with the last process that has it open, and
    who opens the name gets another one.
    """

    def __init__(self, path: Path) -> None:
        """Keep in mind what the names lead to now: the files are to be open already."""
        self._path = path
        self._opened = {name: _identity(name) for name in map(self._beside, _BESIDE)}

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
