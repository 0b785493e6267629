"""Samples as they come in: columns, and the keys of the series that are not known yet."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Self, TypeAlias

import numpy as np

from .event import MAX_SERVICE_LENGTH
from .instant import NS_PER_MS, format_ms
from .interning import distinct
from .sample import (
    KNOWN_METHODS,
    MAX_AHEAD_MS,
    MAX_LATENCY_NS,
    OTHER_METHOD,
    Ints,
    RequestSample,
    SampleBatch,
    SeriesKey,
)
from .validation import Violation, text_violations

MAX_ROUTE_LENGTH = 1_000
MAX_METHOD_LENGTH = 32
MAX_VIOLATIONS = 10
MIN_STATUS_CODE, MAX_STATUS_CODE = 100, 999
"""HTTP's own bounds: three digits, the first of which is not 0."""

_METHOD = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{MAX_METHOD_LENGTH}}}", re.ASCII)


Find: TypeAlias = Callable[[tuple[str, str, str, int]], int | None]
"""Gives the number of a series by its key, the order of which is that of `SeriesKey`."""


class KeyedSamples:
    """Samples as columns of one length.

    `series` has the number of each one's series, or `-1 - place` where the series is a new one that
    stands at that place of `new`. `latency_ns` is in ns, `ended_at_ms` in ms since 1970.
    """

    __slots__ = ("ended_at_ms", "latency_ns", "new", "series")

    def __init__(
        self, new: Sequence[SeriesKey], series: Ints, latency_ns: Ints, ended_at_ms: Ints
    ) -> None:
        """Take the columns, which are not copied; the new keys differ from each other."""
        self.new = new
        self.series = series
        self.latency_ns = latency_ns
        self.ended_at_ms = ended_at_ms

    @classmethod
    def of(cls, samples: Sequence[RequestSample], find: Find) -> Self:
        """These samples, in their order."""
        new, series = numbered([sample.series for sample in samples], find)
        return cls(
            new,
            series,
            np.array([sample.latency_ns for sample in samples], np.int64),
            np.array([sample.ended_at for sample in samples], np.int64) // NS_PER_MS,
        )

    @classmethod
    def of_batch(cls, batch: SampleBatch, find: Find) -> Self:
        """The same samples, their series by number."""
        if not len(batch):
            return cls([], batch.endpoint, batch.latency_ns, batch.ended_at_ms)
        codes, place = distinct(batch.series_codes())
        row_of = np.empty(len(codes), np.int64)
        row_of[place] = np.arange(len(batch))
        new, series = numbered([batch.key(row) for row in row_of.tolist()], find)
        return cls(new, series[place], batch.latency_ns, batch.ended_at_ms)

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.latency_ns)

    def violations(self, now_ms: int, oldest_ms: int = 0) -> list[Violation]:
        """What is wrong with the first bad rows, by their place: `/7/latency_ms`.

        None may have ended before `oldest_ms`, or more than a day after `now_ms`. Series that have
        a number are taken to be right.
        """
        found = [*self._bad_keys(), *self._bad_latencies()]
        found += self._bad_ends(now_ms, oldest_ms)
        return [violation for _, violation in sorted(found, key=lambda f: f[0])[:MAX_VIOLATIONS]]

    def _bad_keys(self) -> Iterable[tuple[int, Violation]]:
        said = ((-1 - place, key_violations(key)) for place, key in enumerate(self.new))
        bad = {series: violations for series, violations in said if violations}
        if bad:
            for row in _first(np.isin(self.series, list(bad))):
                for violation in bad[int(self.series[row])]:
                    yield _at(row, violation)

    def _bad_latencies(self) -> Iterable[tuple[int, Violation]]:
        detail = f"must be 0 to {MAX_LATENCY_NS // NS_PER_MS} ms (a day)"
        for row in _first((self.latency_ns < 0) | (self.latency_ns > MAX_LATENCY_NS)):
            yield _at(row, Violation("latency_ms", detail))

    def _bad_ends(self, now_ms: int, oldest_ms: int) -> Iterable[tuple[int, Violation]]:
        for row in _first(self.ended_at_ms < oldest_ms):
            yield _at(row, Violation("ts", f"must not lie before {format_ms(oldest_ms)}"))
        for row in _first(self.ended_at_ms > now_ms + MAX_AHEAD_MS):
            detail = "must lie at most a day ahead of the server's clock"
            yield _at(row, Violation("ts", detail))


def numbered(keys: Sequence[tuple[str, str, str, int]], find: Find) -> tuple[list[SeriesKey], Ints]:
    """The new ones of these keys, in order of appearance, and the `KeyedSamples.series` of each."""
    numbers = list(map(find, keys))
    try:
        return [], np.array(numbers, np.int64)
    except TypeError:
        # Some are None: that is rare, and looking for it would cost each batch.
        new: dict[tuple[str, str, str, int], int] = {}
        series = [
            new.setdefault(key, -1 - len(new)) if number is None else number
            for key, number in zip(keys, numbers, strict=True)
        ]
        return list(map(SeriesKey._make, new)), np.array(series, np.int64)


def _first(bad: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> list[int]:
    rows: list[int] = np.flatnonzero(bad)[:MAX_VIOLATIONS].tolist()
    return rows


def _at(row: int, violation: Violation) -> tuple[int, Violation]:
    return row, Violation(f"/{row}/{violation.pointer}", violation.detail)


def key_violations(key: SeriesKey) -> list[Violation]:
    """What is wrong with a series that somebody names, by field; a method may be in any case."""
    found = [
        *text_violations("route", key.route, MAX_ROUTE_LENGTH),
        *text_violations("service", key.service, MAX_SERVICE_LENGTH),
    ]
    if not _METHOD.fullmatch(key.method):
        detail = f"must be an HTTP method: a token of 1-{MAX_METHOD_LENGTH} characters"
        found.append(Violation("method", detail))
    if not MIN_STATUS_CODE <= key.status_code <= MAX_STATUS_CODE:
        detail = f"must be {MIN_STATUS_CODE} to {MAX_STATUS_CODE}"
        found.append(Violation("status_code", detail))
    return found


def canonical(key: SeriesKey) -> SeriesKey:
    """The series that samples with this key count in.

    A method counts in upper case, and one that is not HTTP's as `_OTHER`; lone surrogates, which
    nothing can store, are written out.
    """
    method = key.method.upper()
    if method not in KNOWN_METHODS:
        method = OTHER_METHOD
    return key.in_unicode()._replace(method=method)
