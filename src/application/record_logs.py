"""The write side for log records: each becomes an operational event."""

from collections import Counter
from collections.abc import Iterable
from itertools import count, islice
from typing import NamedTuple

from ..domain.entry import IdempotencyKey
from ..domain.log_record import LogRecord, log_event
from ..domain.origin import Origin
from .intake import KEPT, REJECTED, RESENT, Intake
from .record import EventRecorder
from .versions import ServiceVersions

LOG_RECORDS = "log records"
PART = 1_000
"""Of a request, recorded at once: as much as a commit takes, so that no request takes more memory
than that, nor holds up others."""


class Logs(NamedTuple):
    """The log records of one request: what can be kept, read one by one, and why others can not."""

    records: Iterable[LogRecord]
    faults: Counter[str]


class LogRecorder:
    """Records log records as events, those of one request part by part."""

    def __init__(self, events: EventRecorder, versions: ServiceVersions, intake: Intake) -> None:
        """Record through `events` and `versions`; count in `intake`."""
        self._events = events
        self._versions = versions
        self._intake = intake

    async def record(self, logs: Logs, key: IdempotencyKey) -> Counter[str]:
        """Record them, and return once they are durable, with why others are rejected.

        A request that was recorded under the same key within 24 hours is not recorded again, nor
        those parts of one that did not come to its end. A part with a record that has no time is
        recorded each time: it may say the same thing anew. Raises `Overloaded`, `StoreUnavailable`.
        """
        records = iter(logs.records)
        origins: set[Origin] = set()
        for number in count():
            part = list(islice(records, PART))
            if not part:
                break
            timed = all(record.time > 0 for record in part)
            drafts = [log_event(record, self._events.secret_keys) for record in part]
            kept = await self._events.record_all(drafts, _of_part(key, number) if timed else None)
            origins.update(record.origin for record in part)
            self._intake.count(LOG_RECORDS, KEPT, kept)
            self._intake.count(LOG_RECORDS, RESENT, len(part) - kept)
        await self._versions.note(origins)
        self._intake.count(LOG_RECORDS, REJECTED, logs.faults.total())
        return logs.faults


def _of_part(key: IdempotencyKey, number: int) -> IdempotencyKey:
    """The first part has the key of the request: a small one is all in it."""
    return IdempotencyKey(f"{key.name} {number}", key.fingerprint) if number else key
