"""The histograms of many series as Prometheus' native ones have them: spans and deltas, as columns.

What `histogram_forms.to_spans` does for one series, in a few passes over arrays for all of them.
"""

from typing import NamedTuple

import numpy as np

from .histogram_forms import MAX_GAP
from .rollup import BUCKET_BITS, PAST_SERIES, Rollups, buckets_of_cells
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
    bounds = np.append(rollups.series, PAST_SERIES) << BUCKET_BITS
    cells_upto = np.searchsorted(rollups.cell, bounds)
    is_empty = cells_upto[1:] == cells_upto[:-1]
    firsts = cells_upto[:-1][~is_empty]
    gap = np.diff(rollups.cell, prepend=0) - 1
    gap[firsts] = buckets_of_cells(rollups.cell[firsts]) + 1
    starts_span = gap > MAX_GAP
    starts_span[firsts] = True
    starts = np.flatnonzero(starts_span)
    gaps = gap[starts]
    # Short gaps are written out, as empty buckets.
    gap[starts] = 0
    upto = np.concatenate([[0], np.cumsum(gap + 1)])
    return SpanColumns(
        gaps=gaps,
        lengths=np.diff(upto[starts], append=upto[-1]),
        spans_upto=np.searchsorted(starts, cells_upto),
        deltas=_differences(rollups.cell_count, upto, upto[firsts]),
        deltas_upto=upto[cells_upto],
    )


def _differences(counts: Ints, upto: Ints, restarts: Ints) -> Ints:
    """Each count less the one before, from zero at each restart; zeros lie between the counts."""
    written = np.zeros(int(upto[-1]), np.int64)
    written[upto[1:] - 1] = counts
    deltas = np.diff(written, prepend=0)
    deltas[restarts] = written[restarts]
    return deltas
