"""`/v1/traces`: server spans become request samples, recorded exceptions become events."""

from ....application.board import Opsboard
from ....application.record_spans import Spans
from .answers import Rejected, rejected_for
from .encoding import Encoding
from .export import key_for
from .span_reader import SpanReader


class TraceSignal:
    """The signal of traces."""

    rejected_name = "rejectedSpans"

    def __init__(self, board: Opsboard) -> None:
        """Record into `board`."""
        self._record = board.spans.record
        self._readers = {encoding: SpanReader(encoding, board.samples) for encoding in Encoding}

    async def keep(self, body: bytes, encoding: Encoding) -> Rejected:
        """See `Signal.keep`."""
        spans = await self._readers[encoding].read(body)
        return rejected_for(await self._record(spans, key_for(_identity(spans, body))))


def _identity(spans: Spans, body: bytes) -> bytes:
    """What the same request has again: the ids and times of its spans, a fortieth of the body.

    Exceptions have no ids of their own: with them, it is the body.
    """
    if spans.exceptions:
        return body
    columns = spans.columns
    return b"".join(column.tobytes() for column in (columns.ids, columns.starts, columns.ends))
