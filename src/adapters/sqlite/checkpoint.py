"""Carries what was committed from the write-ahead log into the file, beside the commits.

Left to SQLite, every thousandth page makes some commit do this, and those who wait for that one
wait some 50 ms. A passive checkpoint on a connection of its own holds up nobody.
"""

import asyncio
import logging
import sqlite3
from pathlib import Path

from ...application.fault_log import FaultLog
from ...application.growth import Growth
from .connection import connected
from .short_turns import short_turns

EVERY_SECONDS = 1.0
LAST_RESORT_PAGES = 16_384
"""Some 64 MiB: where commits never pause, one of them has to do it after all."""

_log = logging.getLogger(__name__)


async def checkpoint_all(path: Path, growth: Growth) -> None:
    """Checkpoint the file at `path` after each commit, at most once a second, until cancelled."""
    fault_log = FaultLog(_log, f"{path}: is checkpointed again")
    while True:
        try:
            await _checkpoint_each_change(path, growth, fault_log)
        except sqlite3.Error as error:
            fault_log.met(f"{path}: can not be checkpointed now: {error}")
            await asyncio.sleep(EVERY_SECONDS)


async def _checkpoint_each_change(path: Path, growth: Growth, fault_log: FaultLog) -> None:
    async with connected(path, "rw") as database:
        while True:
            changed = growth.watch_changes()
            with short_turns:
                await database.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
            fault_log.over()
            await changed.wait()
            await asyncio.sleep(EVERY_SECONDS)
