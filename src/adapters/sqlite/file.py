"""The file itself: made whole or not at all, and refused untouched where it is not ours."""

import errno
import os
import secrets
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ...application.errors import StoreUnavailable, StoreUnusable
from ...domain.entry import Stream
from . import schema
from .wal import damaged_frame

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_QUICK_CHECK_BYTES = 64 * 1024 * 1024
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MIN_SQLITE = (3, 37, 0)


def uri(path: Path, mode: str) -> str:
    """The file as an SQLite URI; `mode` is `ro` or `rw`, neither of which makes a file."""
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def prepare(path: Path) -> None:
    """Leave a usable store of this version at `path`: as it is, migrated, or new.

    Raises `StoreUnusable` naming the path; a file that is refused is left as it was.
    """
    if sqlite3.sqlite_version_info < _MIN_SQLITE:
        raise StoreUnusable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 is needed")
    try:
        if not path.exists():
            _make(path)
        version = _check_header(path)
        _check_content(path)
        _check_writable(path)
        if version < schema.VERSION:
            address = uri(path, "rw")
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
                schema.migrate(connection)
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreUnusable(f"{path}: can not be used: {_on_one_line(reason)}") from error
    except UnicodeDecodeError as error:  # what SQLite says of a damaged table may name it
        raise StoreUnusable(f"{path}: is damaged: {_on_one_line(error)}") from error


def _on_one_line(said: object) -> str:
    return " ".join(str(said).split())


def _make(path: Path) -> None:
    """Lay the store out beside its place and link it there, so that nobody sees half of it."""
    # Not named after the process: in a container each one has the same number.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    draft.touch(exist_ok=False)
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            schema.create(connection)
        _put_in_place(draft, path)
        _sync_folder(path.parent)
    finally:
        draft.unlink()


def _put_in_place(draft: Path, path: Path) -> None:
    """Give the draft its name too, unless another process was faster."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _copy_exclusively(draft, path)


def _copy_exclusively(draft: Path, path: Path) -> None:
    """Where files can not have two names: make it, if nobody else did, and fill it at once."""
    try:
        file = path.open("xb")
    except FileExistsError:
        return
    try:
        with file:
            file.write(draft.read_bytes())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_header(path: Path) -> int:
    """The schema version of an opsboard store, read without opening it as a database."""
    if path.is_dir():
        raise StoreUnusable(f"{path}: is a directory, not a file")
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header:
        raise StoreUnusable(f"{path}: is empty, so it is no opsboard store; remove it to start one")
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise StoreUnusable(f"{path}: is no opsboard store, nor any SQLite database")
    version, application_id = struct.unpack(">I4xI", header[60:72])
    if application_id != schema.APPLICATION_ID:
        raise StoreUnusable(f"{path}: is an SQLite database, but no opsboard store")
    if version > schema.VERSION:
        raise StoreUnusable(
            f"{path}: was written by a newer opsboard (schema {version}; "
            f"this one knows up to {schema.VERSION})"
        )
    return int(version)


def _check_content(path: Path) -> None:
    """Refuse a damaged file before anything is written to it, or beside it."""
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        _check_log(path, wal)
        _check_tables(path, uri(path, "ro"))
        return
    before = _last_change(path)
    try:
        _check_tables(path, f"{uri(path, 'ro')}&immutable=1")
    except StoreUnusable:
        if not wal.exists() and _last_change(path) == before:
            raise
        # Another process wrote it meanwhile, and an immutable file is read without its lock.
        _check_tables(path, uri(path, "ro"))


def _check_log(path: Path, wal: Path) -> None:
    """Before SQLite reads it: looked at again, since another process may write it meanwhile."""
    found = damaged_frame(wal)
    if found is not None and all(damaged_frame(wal) == found for _ in range(2)):
        raise StoreUnusable(
            f"{path}: is damaged: in {wal.name}, frame {found} is not as it was written, and "
            "acknowledged entries follow, which would be dropped: go back to a backup"
        )


def _last_change(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _check_tables(path: Path, address: str) -> None:
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        try:
            # One snapshot: in a live file the next statement would see a later commit.
            connection.execute("BEGIN")
            streams = connection.execute("SELECT stream, number FROM head").fetchall()
            for stream, number in streams:
                if stream not in set(Stream):
                    raise StoreUnusable(f"{path}: is damaged: there is no stream {stream!r}")
                _check_end(path, connection, stream, number)
            if path.stat().st_size <= _QUICK_CHECK_BYTES:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise StoreUnusable(f"{path}: is damaged: {_on_one_line(verdict)}")
        except sqlite3.DatabaseError as error:
            raise StoreUnusable(f"{path}: is damaged: {_on_one_line(error)}") from error


def _check_end(path: Path, connection: sqlite3.Connection, stream: str, number: int) -> None:
    """The newest entry is the one that the head names; old ones may have been removed, also all."""
    found = schema.newest(connection, stream)
    if found != number:
        raise StoreUnusable(f"{path}: is damaged: {stream} ends at {found}, not at {number}")


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK):
        raise StoreUnusable(f"{path}: can not be written")
    with closing(sqlite3.connect(uri(path, "rw"), uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE store SET probe = probe")
        connection.execute("ROLLBACK")


def integrity_faults(path: Path) -> list[str]:
    """What SQLite finds wrong with tables and indexes, in its words. Raises `StoreUnavailable`."""
    try:
        with closing(sqlite3.connect(uri(path, "ro"), uri=True, isolation_level=None)) as database:
            found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(20)")]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"{path}: can not be read: {error}") from error
    return [] if found == ["ok"] else [line for text in found for line in text.splitlines()]


def size_on_disk(path: Path) -> int:
    """What the file and its write-ahead log take, in bytes; what was removed takes nothing.

    Raises `StoreUnavailable`.
    """
    size = 0
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            size += each.stat().st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from error
    return size
