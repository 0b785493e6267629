"""Many moments at once: RFC 3339 times as a column of whole milliseconds."""

from collections.abc import Sequence

import numpy as np

from .instant import MAX_INSTANT, NS_PER_MS, parse_instant
from .sample import Ints

_HOUR = len("2026-01-31T09:")
_HOUR_MS = 3_600_000
_SECONDS, _NS = len("2026-01-31T09:30:00Z"), len("2026-01-31T09:30:00.123456789Z")
_FIRST_OF_FRACTION = 20
_DIGITS = (14, 15, 17, 18)
_HIGHEST = (5, 9, 5, 9)
_WEIGHTS = (600_000, 60_000, 10_000, 1_000, 100, 10, 1)


def parse_instants(texts: Sequence[str], field: str) -> Ints:
    """What `parse_instant` gives for each text, in ms since 1970, cut to whole ones.

    Times in UTC of one precision, as those of one sender mostly are, take some 50 ns each, others
    two microseconds. Raises `InvalidInput` naming `field` for one that `parse_instant` refuses.
    """
    column = _alike(texts)
    if column is None:
        known = {text: parse_instant(text, field) // NS_PER_MS for text in set(texts)}
        column = np.array([known[text] for text in texts], np.int64)
    return column


def _alike(texts: Sequence[str]) -> Ints | None:
    """The column where all are written like `2026-01-31T09:30:00.123Z`; None where they are not."""
    width = len(texts[0]) if texts else 0
    if not _SECONDS <= width <= _NS or width == _SECONDS + 1 or set(map(len, texts)) != {width}:
        return None
    octets = "".join(texts).encode(errors="replace")
    if len(octets) != width * len(texts):
        return None
    table = np.frombuffer(octets, np.uint8).reshape(-1, width)
    hours = _hours(texts[:1] if (table[:, :_HOUR] == table[0, :_HOUR]).all() else texts)
    within = _within_the_hour(table)
    return None if hours is None or within is None else hours + within


def _hours(texts: Sequence[str]) -> Ints | None:
    """The start of each hour; None where one is none, or may be past all that can be counted."""
    starts = {}
    for hour in {text[:_HOUR] for text in texts}:
        try:
            starts[hour] = parse_instant(f"{hour}00:00Z", "") // NS_PER_MS
        except ValueError:
            return None
    if max(starts.values()) + _HOUR_MS > MAX_INSTANT // NS_PER_MS:
        return None
    return np.array([starts[text[:_HOUR]] for text in texts], np.int64)


def _within_the_hour(table: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Ints | None:
    """The ms that `MM:SS.fffZ` adds, where that is what stands there."""
    width = table.shape[1]
    fraction = range(_FIRST_OF_FRACTION, width - 1)
    separators = (16, width - 1, *((19,) if fraction else ()))
    if not (table[:, separators] == list(b":Z."[: len(separators)])).all():
        return None
    digits = table[:, (*_DIGITS, *fraction)] - np.uint8(ord("0"))
    if not (digits <= (*_HIGHEST, *[9] * len(fraction))).all():
        return None
    weights = _WEIGHTS[: len(_DIGITS) + len(fraction)]
    within: Ints = digits[:, : len(weights)].astype(np.int64) @ np.array(weights, np.int64)
    return within
