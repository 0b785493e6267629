"""Samples as the lines that `POST /samples` takes."""

import json
from collections.abc import Sequence

from ...domain.instant import NS_PER_MS, format_ms
from ...domain.packed_sample import PACKED_SAMPLE
from ...domain.series_key import MAX_LATENCY_NS, SeriesKey


class SampleLines:
    """Writes a line for each sample; what its series says is written once."""

    def __init__(self) -> None:
        """No series is known yet."""
        self._beginnings: dict[int, str] = {}

    def encode(self, packed: bytes, keys: Sequence[SeriesKey]) -> bytes:
        """The lines of packed samples. A latency above a day, the most there is, is a day.

        Milliseconds are written as nanoseconds and an exponent: exact, and at a third of the cost.
        """
        lines: list[str] = []
        known, last_ms, ending = self._beginnings, -1, ""
        for series, latency_ns, ended_at in PACKED_SAMPLE.iter_unpack(packed):
            beginning = known.get(series)
            if beginning is None:
                beginning = known[series] = _beginning(keys[series])
            ended_at_ms = ended_at // NS_PER_MS
            if ended_at_ms != last_ms:
                last_ms, ending = ended_at_ms, f',"ts":"{format_ms(ended_at_ms)}"}}\n'
            within = latency_ns if 0 <= latency_ns <= MAX_LATENCY_NS else _nearest(latency_ns)
            lines.append(f"{beginning}{within}e-6{ending}")
        return "".join(lines).encode()


def _beginning(key: SeriesKey) -> str:
    named = {
        "service": key.service,
        "route": key.route,
        "method": key.method,
        "status_code": key.status_code,
    }
    return f'{json.dumps(named)[:-1]},"latency_ms":'


def _nearest(latency_ns: int) -> int:
    return max(0, min(latency_ns, MAX_LATENCY_NS))
