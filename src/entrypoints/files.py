"""The files that commands read and write: whole or not at all, and every failure names the file."""

import os
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..application.errors import OpsboardError

STREAM = Path("-")


class FileUnusable(OpsboardError):
    """A file can not be read or written; the text names it."""


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, or those of standard input for `-`. Raises `FileUnusable`."""
    with _failures_naming(path):
        if path == STREAM:
            yield sys.stdin.buffer
            return
        with path.open("rb") as file:
            yield file


@contextmanager
def writing(path: Path, never: Sequence[Path]) -> Iterator[IO[bytes]]:
    """A file that takes its place at `path` once the block ended well; until then all is as it was.

    A device or pipe, and standard output (`-`), get the bytes as they come. Raises `FileUnusable`,
    also where `path` is one of the files that must `never` be written.
    """
    for forbidden in never:
        if _same(path, forbidden):
            raise FileUnusable(f"{path}: is the store itself")
    with _failures_naming(path):
        if path == STREAM:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif _is_no_regular_file(path):
            with path.open("wb") as file:
                yield file
        else:
            with _replacing(path.resolve()) as file:
                yield file


def _same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def _is_no_regular_file(path: Path) -> bool:
    """Such as `/dev/stdout`, which is not to be replaced even where it leads to a file."""
    return path.is_relative_to("/dev") or (path.exists() and not path.is_file())


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with draft.open("xb") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _failures_naming(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard input or output" if path == STREAM else path
        raise FileUnusable(f"{name}: {error.strerror or error}") from error
