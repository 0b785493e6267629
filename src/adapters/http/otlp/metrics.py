"""`/v1/metrics`: histograms of served requests are merged into the rollups."""

from ....application.board import Opsboard
from .answers import Rejected, rejected_for
from .encoding import Encoding
from .export import key_for
from .metric_messages import FORMS
from .metric_reader import MetricReader


class MetricSignal:
    """The signal of metrics."""

    rejected_name = "rejectedDataPoints"

    def __init__(self, board: Opsboard) -> None:
        """Record into `board`."""
        self._record = board.histograms.record
        self._readers = {encoding: MetricReader(form) for encoding, form in FORMS.items()}

    async def keep(self, body: bytes, encoding: Encoding) -> Rejected:
        """See `Signal.keep`."""
        metrics = await self._readers[encoding].read(body)
        return rejected_for(await self._record(metrics.sent, key_for(body), metrics.faults))
