"""Samples as somebody says them: each series once, by its key, and columns that point at them."""

import re
from collections.abc import Iterable, Sequence
from typing import Self

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
    interned,
)
from .validation import Violation, text_violations

MAX_ROUTE_LENGTH = 1_000
MAX_METHOD_LENGTH = 32
MAX_VIOLATIONS = 10
MIN_STATUS_CODE, MAX_STATUS_CODE = 100, 999
"""HTTP's own bounds: three digits, the first of which is not 0."""

_METHOD = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{MAX_METHOD_LENGTH}}}", re.ASCII)


class KeyedSamples:
    """Samples as columns of one length; `series` has each one's place in `keys`.

    `latency_ns` is in ns, `ended_at_ms` in ms since 1970.
    """

    __slots__ = ("ended_at_ms", "keys", "latency_ns", "series")

    def __init__(
        self, keys: Sequence[SeriesKey], series: Ints, latency_ns: Ints, ended_at_ms: Ints
    ) -> None:
        """Take the columns, which are not copied; the keys differ from each other."""
        self.keys = keys
        self.series = series
        self.latency_ns = latency_ns
        self.ended_at_ms = ended_at_ms

    @classmethod
    def of(cls, samples: Sequence[RequestSample]) -> Self:
        """These samples, in their order."""
        keys, series = interned(sample.series for sample in samples)
        return cls(
            keys,
            series,
            np.array([sample.latency_ns for sample in samples], np.int64),
            np.array([sample.ended_at for sample in samples], np.int64) // NS_PER_MS,
        )

    @classmethod
    def of_batch(cls, batch: SampleBatch) -> Self:
        """The same samples, their series by key."""
        if not len(batch):
            return cls([], batch.endpoint, batch.latency_ns, batch.ended_at_ms)
        codes, series = distinct(batch.series_codes())
        row_of = np.empty(len(codes), np.int64)
        row_of[series] = np.arange(len(batch))
        keys = [batch.key(row) for row in row_of.tolist()]
        return cls(keys, series, batch.latency_ns, batch.ended_at_ms)

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.latency_ns)

    def violations(
        self, now_ms: int, oldest_ms: int = 0, unchecked: Iterable[int] | None = None
    ) -> list[Violation]:
        """What is wrong with the first bad rows, by their place: `/7/latency_ms`.

        None may have ended before `oldest_ms`, or more than a day after `now_ms`. Of the keys, only
        those at the places `unchecked` are looked at, where these are given.
        """
        found = [
            *self._bad_keys(unchecked),
            *self._bad_latencies(),
            *self._bad_ends(now_ms, oldest_ms),
        ]
        return [violation for _, violation in sorted(found, key=lambda f: f[0])[:MAX_VIOLATIONS]]

    def _bad_keys(self, unchecked: Iterable[int] | None) -> Iterable[tuple[int, Violation]]:
        places = range(len(self.keys)) if unchecked is None else unchecked
        bad = {place: said for place in places if (said := key_violations(self.keys[place]))}
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
