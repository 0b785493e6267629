"""Read-only connections, apart from the writer's."""

import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from ...application.errors import StoreUnavailable, StoreUnusable
from .connection import connected
from .short_turns import short_turns

MAX_PARAMETERS = 500

T = TypeVar("T")
Row = tuple[Any, ...]
Question = Callable[[sqlite3.Connection], None]


class Snapshot(sqlite3.Connection):
    """A connection whose `commit` answers the next question within one read transaction.

    `commit` is what aiosqlite sends to its thread in one hop, so that many statements cross once
    and see the store at one moment. Questions and hops are queued in the same order.
    """

    questions: deque[Question]

    def commit(self) -> None:
        """Answer the question that was asked first."""
        question = self.questions.popleft()
        self.execute("BEGIN")
        try:
            question(self)
        finally:
            self.execute("ROLLBACK")


class Reader:
    """Asks one read-only connection."""

    def __init__(self) -> None:
        """Closed until `opened`."""
        self._database: aiosqlite.Connection | None = None
        self._snapshot: Snapshot | None = None

    @asynccontextmanager
    async def opened(self, path: Path) -> AsyncIterator[None]:
        """Read the file at `path` for as long as the context lasts. Raises `StoreUnusable`."""

        def factory(*args: Any, **kwargs: Any) -> Snapshot:
            self._snapshot = Snapshot(*args, **kwargs)
            self._snapshot.questions = deque()
            return self._snapshot

        async with AsyncExitStack() as stack:
            connecting = connected(path, "ro", factory=factory)
            try:
                self._database = await stack.enter_async_context(connecting)
            except sqlite3.Error as error:
                raise StoreUnusable(f"{path}: can not be used: {error}") from error
            try:
                yield
            finally:
                self._database = self._snapshot = None

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Every row of the answer, in one hop. Raises `StoreUnavailable`."""
        if self._database is None:
            raise StoreUnavailable("the store is closed")
        try:
            with short_turns:
                return list(await self._database.execute_fetchall(sql, parameters))  # type: ignore[arg-type]
        except (sqlite3.Error, ValueError) as error:
            raise StoreUnavailable(f"the store can not be read: {error}") from error

    async def fetch_value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row; None where there is none."""
        rows = await self.fetch(sql, parameters)
        return rows[0][0] if rows else None

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """What the question finds, at one moment and in one hop. Raises `StoreUnavailable`."""
        if self._database is None or self._snapshot is None:
            raise StoreUnavailable("the store is closed")
        answer: list[T] = []
        self._snapshot.questions.append(lambda connection: answer.append(question(connection)))
        try:
            with short_turns:
                await self._database.commit()
        except (sqlite3.Error, ValueError) as error:
            raise StoreUnavailable(f"the store can not be read: {error}") from error
        return answer[0]


def among(connection: sqlite3.Connection, *, sql: str, values: Sequence[int]) -> list[Row]:
    """The rows whose column is one of the values, asked for in parts that SQLite takes."""
    found: list[Row] = []
    for start in range(0, len(values), MAX_PARAMETERS):
        part = values[start : start + MAX_PARAMETERS]
        places = ", ".join("?" * len(part))
        found += connection.execute(f"{sql} ({places})", tuple(part)).fetchall()
    return found
