"""The histograms of many series as Prometheus' native ones have them: spans and deltas, as columns.

What `histogram_forms.to_spans` does for one series, in a few passes over arrays for all of them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .histogram_forms import MAX_GAP
from .rollup import BUCKET_BITS, PAST_SERIES, Rollups
from .sample import Ints


class SpanColumns(NamedTuple):
    """Spans as (gap to the one before, length), counts as differences.

    Those of the series at place `i` are `spans_upto[i]` to `spans_upto[i + 1]`, and the same with
    `deltas_upto`.
    """

    gaps: Ints
    lengths: Ints
    spans_upto: Ints
    deltas: Ints
    deltas_upto: Ints


def span_columns(rollups: Rollups) -> SpanColumns:
    """The buckets of each series, in schema 5."""
    series = rollups.cell >> BUCKET_BITS
    index = rollups.buckets + 1
    is_first = np.diff(series, prepend=-1) != 0
    gap = np.diff(index, prepend=0) - 1
    gap[is_first] = index[is_first]
    starts_span = is_first | (gap > MAX_GAP)
    # Short gaps are written out, as empty buckets.
    filled = np.where(starts_span, 0, gap)
    at = np.cumsum(filled + 1) - 1
    length = int(at[-1]) + 1 if len(at) else 0
    starts = np.flatnonzero(starts_span)
    bounds = np.append(rollups.series, PAST_SERIES) << BUCKET_BITS
    cells_upto = np.searchsorted(rollups.cell, bounds)
    firsts = np.append(at - filled, length)
    return SpanColumns(
        gaps=gap[starts],
        lengths=np.diff(firsts[starts], append=length),
        spans_upto=np.searchsorted(starts, cells_upto),
        deltas=_differences(rollups.cell_count, at, length, at[is_first]),
        deltas_upto=firsts[cells_upto],
    )


def _differences(counts: Ints, at: Ints, length: int, restarts: npt.NDArray[np.int64]) -> Ints:
    """Each count less the one before, from zero at each restart; zeros lie between the counts."""
    written = np.zeros(length, np.int64)
    written[at] = counts
    deltas = np.diff(written, prepend=0)
    deltas[restarts] = written[restarts]
    return deltas
