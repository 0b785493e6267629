"""Read-only connections, apart from the writer's."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from ...application.errors import StoreUnavailable

Row = tuple[Any, ...]


class Reader:
    """Asks one read-only connection."""

    def __init__(self) -> None:
        """Wait for `attach`."""
        self._database: aiosqlite.Connection | None = None

    def attach(self, database: aiosqlite.Connection | None) -> None:
        """Use this connection from now on."""
        self._database = database

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Every row of the answer, in one hop. Raises `StoreUnavailable`."""
        if self._database is None:
            raise StoreUnavailable("the store is closed")
        try:
            return list(await self._database.execute_fetchall(sql, parameters))  # type: ignore[arg-type]
        except (sqlite3.Error, ValueError) as error:
            raise StoreUnavailable(f"the store can not be read: {error}") from error

    async def fetch_value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row; None where there is none."""
        rows = await self.fetch(sql, parameters)
        return rows[0][0] if rows else None
