"""`/v1/logs`: log records become operational events."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ....application.board import Opsboard
from ....application.record_logs import Logs
from ....domain.log_record import LogRecord
from ....domain.validation import InvalidInput
from .answers import Rejected, rejected_for
from .encoding import Encoding
from .export import key_for
from .log_messages import FORMS, LogForm
from .resources import Resource, Resources


class LogSignal:
    """The signal of logs."""

    rejected_name = "rejectedLogRecords"

    def __init__(self, board: Opsboard) -> None:
        """Record into `board`."""
        self._record = board.logs.record
        self._resources = {encoding: Resources(encoding) for encoding in Encoding}

    async def keep(self, body: bytes, encoding: Encoding) -> Rejected:
        """See `Signal.keep`."""
        form = FORMS[encoding]
        faults: Counter[str] = Counter()
        scopes = self._scopes(form.decode(body), self._resources[encoding])
        logs = Logs(_records(form, scopes, faults), faults)
        return rejected_for(await self._record(logs, key_for(body)))

    @staticmethod
    def _scopes(logs: Any, resources: Resources) -> Iterator[tuple[Resource, Any]]:
        for resource_logs in logs.resource_logs or ():
            resource = resources.of(bytes(resource_logs.resource))
            for scope_logs in resource_logs.scope_logs or ():
                yield resource, scope_logs


def _records(
    form: LogForm, scopes: Iterable[tuple[Resource, Any]], faults: Counter[str]
) -> Iterator[LogRecord]:
    """What can be read; the rest is counted in `faults`."""
    for resource, scope_logs in scopes:
        for said in scope_logs.log_records or ():
            try:
                if resource.fault is not None:
                    raise resource.fault
                record = form.record(said, resource, form.scope_name(scope_logs.scope))
            except InvalidInput as fault:
                faults[str(fault)] += 1
                continue
            yield record
