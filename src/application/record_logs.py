"""The write side for log records: each becomes an operational event."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ..domain.entry import IdempotencyKey
from ..domain.exception_event import EventFields
from ..domain.log_record import LogRecord, log_event
from ..domain.origin import Origin
from .intake import KEPT, REJECTED, RESENT, Intake
from .record import EventRecorder
from .versions import ServiceVersions

LOG_RECORDS = "log records"
RECORDS_AT_ONCE = 200
"""After so many, other requests have their turn."""


class Logs(NamedTuple):
    """The log records of one request: what can be kept, read one by one, and why others can not."""

    records: Iterable[LogRecord]
    faults: Counter[str]


class LogRecorder:
    """Records log records as events, those of one request at once."""

    def __init__(self, events: EventRecorder, versions: ServiceVersions, intake: Intake) -> None:
        """Record through `events` and `versions`; count in `intake`."""
        self._events = events
        self._versions = versions
        self._intake = intake

    async def record(self, logs: Logs, key: IdempotencyKey) -> Counter[str]:
        """Record them, and return once they are durable, with why others are rejected.

        A request that was recorded under the same key within 24 hours is not recorded again. One
        with a record that has no time is recorded each time: it may say the same thing anew.
        Raises `Overloaded`, `StoreUnavailable`.
        """
        drafts: list[EventFields] = []
        origins: set[Origin] = set()
        timed = True
        for record in logs.records:
            drafts.append(log_event(record, self._events.secret_keys))
            origins.add(record.origin)
            timed = timed and record.time > 0
            if not len(drafts) % RECORDS_AT_ONCE:
                await asyncio.sleep(0)
        kept = await self._events.record_all(drafts, key if timed else None)
        await self._versions.note(origins)
        self._intake.count(LOG_RECORDS, KEPT, kept)
        self._intake.count(LOG_RECORDS, RESENT, len(drafts) - kept)
        self._intake.count(LOG_RECORDS, REJECTED, logs.faults.total())
        return logs.faults
