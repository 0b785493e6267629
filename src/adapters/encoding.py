"""How entries are stored, in every store: events as JSON, batches of requests as segments."""

from ..domain.entry import Codec, JsonFormat, Kind, PayloadFormat
from ..domain.event import OperationalEvent
from ..domain.histogram_batch import HistogramBatch
from ..domain.sample import SampleBatch, SampleRows, columns_of_rows
from .histogram_segment import decode_histograms, encode_histograms
from .segment import decode_segment, encode_segment

_ROWS = JsonFormat(SampleRows)

CODEC = Codec(
    {
        "event": Kind(OperationalEvent, 1, JsonFormat(OperationalEvent)),
        "samples": Kind(
            SampleBatch,
            3,
            PayloadFormat(encode_segment, decode_segment),
            upcasters={1: columns_of_rows, 2: lambda value: _ROWS.convert(value).batch()},
        ),
        "histograms": Kind(HistogramBatch, 1, PayloadFormat(encode_histograms, decode_histograms)),
    }
)
