"""Cumulative counts at a few bounds, as Prometheus' classic histograms have them."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .histogram import bucket_upto
from .rollup import BUCKET_BITS, PAST_SERIES, Rollups
from .sample import Ints

REQUEST_BOUNDS_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""OpenTelemetry's advice for http.server.request.duration."""


def cumulative(rollups: Rollups, bounds_seconds: Sequence[float]) -> Ints:
    """For each series (rows) and bound (columns): how many latencies are at most that.

    A bucket that holds a bound counts on the side on which its centre lies, so a count is exact but
    for latencies within 2.2 % of the bound.
    """
    columns = len(bounds_seconds) + 1
    firsts = np.searchsorted(rollups.cell, np.append(rollups.series, PAST_SERIES) << BUCKET_BITS)
    place = np.repeat(np.arange(len(rollups.series)) * columns, np.diff(firsts))
    place += _column_of_bucket(tuple(bounds_seconds))[rollups.buckets]
    counts = np.bincount(place, rollups.cell_count, len(rollups.series) * columns)
    rows = counts.astype(np.int64).reshape(-1, columns)[:, :-1]
    rows[:, 0] += rollups.zero_count
    summed: Ints = rows.cumsum(axis=1)
    return summed


@lru_cache(maxsize=8)
def _column_of_bucket(bounds_seconds: tuple[float, ...]) -> Ints:
    """The column of each bucket; those below zero lie at the end, where negative indices find them.

    To search for the column of each of a million cells takes ten times as long.
    """
    bounds = np.array([bucket_upto(bound * 1e9) for bound in bounds_seconds])
    half = 1 << (BUCKET_BITS - 1)
    return np.searchsorted(bounds, np.roll(np.arange(-half, half), half))
