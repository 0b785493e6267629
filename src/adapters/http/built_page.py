"""The dashboard's built files: Vite makes them from `dashboard/`, and they ride in the wheel."""

import gzip
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import msgspec

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# In a strict editable install this file is a link: what is built beside the real one is new.
BUILT = Path(__file__).resolve().parent / "dashboard" / "dist"


class BuiltFile(msgspec.Struct, frozen=True, dict=True):
    """One file, as it is and compressed."""

    content: bytes
    media_type: str

    @cached_property
    def compressed(self) -> bytes:
        """Made for the first who takes it, so that no start of a server waits for it."""
        return gzip.compress(self.content, mtime=0)

    @classmethod
    def read(cls, path: Path) -> "BuiltFile":
        """The file at a path. Raises `KeyError` for one of another type than the build makes."""
        return cls(path.read_bytes(), MEDIA_TYPES[path.suffix])


class Dashboard(msgspec.Struct, frozen=True):
    """The page, and its assets by name; a name holds a hash of the content."""

    page: BuiltFile
    assets: Mapping[str, BuiltFile]

    @classmethod
    def read(cls, folder: Path | None = None) -> "Dashboard | None":
        """What was built, or None where nothing was."""
        folder = folder or BUILT
        page = folder / "index.html"
        if not page.is_file():
            return None
        assets = (folder / "assets").iterdir()
        return cls(BuiltFile.read(page), {path.name: BuiltFile.read(path) for path in assets})
