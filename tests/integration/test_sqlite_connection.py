"""A connection's thread has nothing left to say once its context was left, however that was."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.adapters.sqlite.connection import connected

from .. import patience
from ..fakes import ManualClock


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Future[Any]]:
    """What the threads of connections were asked to say last."""
    asked: list[asyncio.Future[Any]] = []
    stop = aiosqlite.Connection.stop

    def noted(self: aiosqlite.Connection) -> asyncio.Future[Any] | None:
        end = stop(self)
        assert end is not None
        asked.append(end)
        return end

    monkeypatch.setattr(aiosqlite.Connection, "stop", noted)
    return asked


class Held:
    """`sqlite3.connect`, which waits until it is let go of."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self._connect = sqlite3.connect

    def __call__(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        self.begun.set()
        assert self.may_end.wait(patience.SECONDS)
        made: sqlite3.Connection = self._connect(*arguments, **options)
        return made


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held()
    monkeypatch.setattr(sqlite3, "connect", made)
    yield made
    made.may_end.set()


async def cancelled_while_it_opens(opening: asyncio.Task[None], held: Held) -> None:
    await patience.until(held.begun.is_set)
    opening.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not opening.done(), "it left a thread behind that still opens the file"
    held.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await opening


async def test_who_is_cancelled_while_it_opens_waits_for_its_thread(
    tmp_path: Path, held: Held, ends: list[asyncio.Future[Any]]
) -> None:
    async def use() -> None:
        async with connected(tmp_path / "some.db", "rwc"):
            raise AssertionError

    await cancelled_while_it_opens(asyncio.create_task(use()), held)
    assert [end.done() for end in ends] == [True]


async def test_what_can_not_be_opened_is_said_once_its_thread_has_ended(
    tmp_path: Path, ends: list[asyncio.Future[Any]]
) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        async with connected(tmp_path / "none" / "some.db", "rw"):
            raise AssertionError
    assert [end.done() for end in ends] == [True]


async def test_a_store_that_is_cancelled_while_it_opens_leaves_no_writer(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ops.db"
    async with SqliteStore(path, clock).opened():
        pass
    monkeypatch.setattr("opsboard.adapters.sqlite.store.prepare", lambda _: None)
    held = Held()
    monkeypatch.setattr(sqlite3, "connect", held)
    before = asyncio.all_tasks()

    async def use() -> None:
        async with SqliteStore(path, clock).opened():
            raise AssertionError

    await cancelled_while_it_opens(asyncio.create_task(use()), held)
    assert asyncio.all_tasks() == before
