"""What the commands do, apart from how they are typed."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..application import transfer
from ..application.errors import StoreUnusable
from ..application.ports import Store
from ..application.verify import verify
from .container import container_for
from .files import reading, writing
from .setting_error import checked_secret_keys
from .settings import SettingError, StoreUrl

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_STORE_FILES = ("", "-wal", "-shm", "-journal")


def parse_pair(pair: str) -> tuple[str, Any]:
    """`key=value`, the value as JSON where it is that, as text otherwise.

    Raises `SettingError` where there is no `=`, or the JSON is nested beyond all measure.
    """
    key, separator, value = pair.partition("=")
    if not separator or not key:
        raise SettingError(f"--meta: {pair!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
    except RecursionError as error:
        raise SettingError(f"--meta: {key} is nested too deep") from error


async def record_event(
    store: StoreUrl, said: dict[str, str], meta: dict[str, Any], key: str | None
) -> int:
    """Record one event in a store; its id. Raises what `Opsboard.record_event` does."""
    board = container_for(store, secret_keys=checked_secret_keys(None)).board()
    async with board.store.opened():
        recorded = await board.record_event(**said, meta=meta, key=key)
    return recorded.id


@asynccontextmanager
async def existing(url: StoreUrl) -> AsyncIterator[Store]:
    """The store of a command that has nothing to do with a new one."""
    if url.path is not None and not url.path.exists():
        raise StoreUnusable(f"{url.path}: does not exist")
    store = container_for(url).store()
    async with store.opened():
        yield store


@contextmanager
def progress(what: str, total: int | None) -> Iterator[tuple["Progress", "TaskID"]]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        yield bar, bar.add_task(what, total=total)


async def differences(url: StoreUrl) -> list[str]:
    """What `verify` finds. Raises `StoreUnusable`, `StoreUnavailable`."""
    async with existing(url) as store:
        return [difference async for difference in verify(store)]


async def export(url: StoreUrl, file: Path) -> int:
    """Write every entry of the journal to `file`; how many.

    The store is opened first, and the file replaced at the end: what can not be exported leaves it
    as it was. Raises `StoreUnusable`, `FileUnusable`.
    """
    count = 0
    async with existing(url) as store:
        with (
            writing(file, never=_files_of(url)) as sink,
            progress("exporting", await transfer.count(store.journal)) as (bar, task),
        ):
            async for line in transfer.export(store.journal):
                sink.write(line)
                count += 1
                bar.update(task, completed=count)
    return count


def _files_of(url: StoreUrl) -> list[Path]:
    path = url.path
    return [] if path is None else [path.with_name(path.name + end) for end in _STORE_FILES]


async def import_(url: StoreUrl, file: Path) -> transfer.Restored:
    """Append every line of `file` to the journal, but for those that it holds already.

    Raises `BrokenChain` and `MalformedExport` naming the line, `StoreUnusable`, `FileUnusable`.
    """
    restored = transfer.Restored()
    with reading(file) as source:
        async with container_for(url).store().opened() as store:
            with progress("importing", _size(source)) as (bar, task):
                async for so_far in transfer.restore(store.journal, source):
                    restored = so_far
                    bar.update(task, completed=_position(source))
    return restored


def _size(source: IO[bytes]) -> int | None:
    if not source.seekable():
        return None
    size = source.seek(0, 2)
    source.seek(0)
    return size


def _position(source: IO[bytes]) -> int:
    return source.tell() if source.seekable() else 0
