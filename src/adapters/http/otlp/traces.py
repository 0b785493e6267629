"""`/v1/traces`: server spans become request samples, recorded exceptions become events."""

import hashlib
from collections import Counter

from ....application.board import Opsboard
from ....domain.entry import IdempotencyKey
from .answers import Rejected
from .encoding import Encoding
from .span_reader import SpanReader
from .trace_messages import FORMS


class Traces:
    """The signal of traces."""

    rejected_name = "rejectedSpans"

    def __init__(self, board: Opsboard) -> None:
        """Record into `board`."""
        self._record = board.spans.record
        self._readers = {
            encoding: SpanReader(form, board.samples) for encoding, form in FORMS.items()
        }

    async def keep(self, body: bytes, encoding: Encoding) -> Rejected:
        """See `Signal.keep`."""
        spans = await self._readers[encoding].read(body)
        return rejected_for(await self._record(spans, key_for(body)))


def key_for(body: bytes) -> IdempotencyKey:
    """The same body, sent again within 24 hours, is recorded once, also after a restart."""
    digest = hashlib.sha256(body).digest()
    return IdempotencyKey(f"otlp {digest.hex()}", digest)


def rejected_for(faults: Counter[str]) -> Rejected:
    """The count and the reasons, the most frequent first."""
    said = "; ".join(f"{fault} ({times})" for fault, times in faults.most_common())
    return Rejected(faults.total(), said)
