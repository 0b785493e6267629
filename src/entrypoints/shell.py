"""What the commands do, apart from how they are typed."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
from rich.console import Console
from rich.progress import Progress, TaskID

from ..application import transfer
from ..application.errors import OpsboardError, StoreUnusable
from ..application.ports import Store
from ..application.record import checked_key
from ..application.verify import verify
from .container import container_for
from .files import reading, writing
from .settings import SettingError, StoreUrl

HTTP_TIMEOUT_SECONDS = 10.0

_STORE_FILES = ("", "-wal", "-shm", "-journal")


class ServerRefused(OpsboardError):
    """The server could not be reached, or refused."""


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
    board = container_for(store).board()
    async with board.store.opened():
        recorded = await board.record_event(**said, meta=meta, key=key)
    return recorded.id


def post_event(url: str, token: str, body: dict[str, Any], key: str | None) -> int:
    """Post one event to a server; its id.

    Raises `ServerRefused` with the server's reason, `InvalidInput` or `SettingError` for what can
    not be sent at all.
    """
    headers = {"X-Ops-Token": token, "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = checked_key(key)
    try:
        content = json.dumps(body, allow_nan=False)
    except ValueError as error:
        raise SettingError("--meta: JSON has no NaN and no infinity") from error
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/events",
            content=content,
            headers=headers,
            timeout=HTTP_TIMEOUT_SECONDS,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerRefused(f"--to: {url} can not be reached: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise ServerRefused(f"{url} answered {answer.status_code}: {_reason(answer)}")
    try:
        return int(answer.json()["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServerRefused(f"--to: {url} does not answer as opsboard does") from error


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


@asynccontextmanager
async def existing(url: StoreUrl) -> AsyncIterator[Store]:
    """The store of a command that has nothing to do with a new one."""
    if url.path is not None and not url.path.exists():
        raise StoreUnusable(f"{url.path}: does not exist")
    store = container_for(url).store()
    async with store.opened():
        yield store


@contextmanager
def progress(what: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on standard error, where that is a terminal."""
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
