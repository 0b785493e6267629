"""The write side for spans: samples of served requests, and the exceptions recorded on them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..domain.entry import IdempotencyKey
from ..domain.exception_event import EventFields, exception_event
from ..domain.instant import NS_PER_MS, format_instant
from ..domain.origin import Origin
from ..domain.recent_ids import as_ids, ids_of_rows
from ..domain.sample import Ints, SeriesKey
from ..domain.secret_keys import SecretKeys
from ..domain.span import SpanColumns, SpanSamples, samples_of
from .intake import KEPT, NOT_KEPT, REJECTED, RESENT, Intake
from .once import Once
from .ports import Clock
from .record import EventRecorder, SampleRecorder
from .record_histograms import HistogramRecorder
from .versions import ServiceVersions

ALREADY_COUNTED = "a span must not be of a request that a histogram counted before"
SPANS = "spans"
EXCEPTIONS = "exceptions"


class SpanException(NamedTuple):
    """An exception on a span: whose, trace and span id, time in ns, attributes.

    `series` is that which the trace has in the service, where that is known.
    """

    service: str
    trace_id: bytes
    span_id: bytes
    time: int
    attributes: Mapping[str, Any]
    series: SeriesKey | None


class Spans(NamedTuple):
    """The spans of one request: those that may become samples, and what became of the others."""

    columns: SpanColumns
    not_kept: int
    faults: Counter[str]
    exceptions: Sequence[SpanException]
    origins: Collection[Origin]


class SpanRecorder:
    """Records spans of HTTP servers as samples, each span once."""

    def __init__(
        self,
        samples: SampleRecorder,
        events: EventRecorder,
        versions: ServiceVersions,
        intake: Intake,
        clock: Clock,
        *,
        histograms: HistogramRecorder,
    ) -> None:
        """Record through `samples`, `events` and `versions`; count in `intake`.

        `histograms` knows which requests were counted by one.
        """
        self._samples = samples
        self._events = events
        self._versions = versions
        self._clock = clock
        self._intake = intake
        self._histograms = histograms
        self._once = Once(clock)

    async def record(self, spans: Spans, key: IdempotencyKey) -> Counter[str]:
        """Record what is good, and return once it is durable, with why others are rejected.

        `key` is that of the request: one that was recorded by another process, or before a
        restart, is not recorded again. Raises `Overloaded`, `StoreUnavailable`.
        """
        now_ms = self._clock.now() // NS_PER_MS
        found = samples_of(spans.columns, now_ms, self._samples.oldest_ms)
        faults = spans.faults + found.faults + self._without_measured(spans.columns, found)
        await self._record_samples(spans.columns, found, key)
        await self._record_exceptions(spans.exceptions, key)
        await self._versions.note(spans.origins)
        self._intake.count(SPANS, NOT_KEPT, spans.not_kept)
        self._intake.count(SPANS, REJECTED, faults.total())
        return faults

    def _without_measured(self, spans: SpanColumns, samples: SpanSamples) -> Counter[str]:
        """Leave out those whose request a histogram has counted; how many these are."""
        good = np.flatnonzero(samples.good)
        if not len(good) or not self._histograms.some_counted:
            return Counter()
        latency_ns, ended_at_ms = samples.latency_ns[good], samples.ended_at_ms[good]
        batch = self._samples.batch_of(spans.numbers[good], latency_ns, ended_at_ms)
        known = good[self._histograms.already_counted(batch)]
        samples.good[known] = False
        return Counter({ALREADY_COUNTED: len(known)} if len(known) else {})

    async def _record_samples(
        self, spans: SpanColumns, samples: SpanSamples, key: IdempotencyKey
    ) -> None:
        good = np.flatnonzero(samples.good)

        async def append(new: Ints) -> None:
            rows = good[new]
            await self._samples.record_numbered(
                spans.numbers[rows], samples.latency_ns[rows], samples.ended_at_ms[rows], key
            )

        if len(good):
            ids = ids_of_rows(spans.ids[good])
            self._count(SPANS, len(good), await self._once.record(ids, append))

    async def _record_exceptions(
        self, exceptions: Sequence[SpanException], key: IdempotencyKey
    ) -> None:
        async def append(new: Ints) -> None:
            secret_keys = self._events.secret_keys
            events = [_event(exceptions[place], secret_keys) for place in new.tolist()]
            await self._events.record_all(events, key)

        if exceptions:
            ids = as_ids(map(_identity, exceptions))
            self._count(EXCEPTIONS, len(exceptions), await self._once.record(ids, append))

    def _count(self, what: str, came: int, kept: int) -> None:
        self._intake.count(what, KEPT, kept)
        self._intake.count(what, RESENT, came - kept)


def _identity(exception: SpanException) -> bytes:
    """What passes through several spans is recorded on each of them, and is one exception."""
    attributes = exception.attributes
    said = (attributes.get("exception.type"), attributes.get("exception.message"))
    return repr((exception.service, exception.trace_id, *said)).encode(errors="replace")


def _event(exception: SpanException, secret_keys: SecretKeys) -> EventFields:
    attributes = dict(exception.attributes)
    type, message, stacktrace = (
        str(attributes.pop(f"exception.{name}", None) or "")
        for name in ("type", "message", "stacktrace")
    )
    series = exception.series
    if exception.time:
        attributes["time"] = format_instant(exception.time)
    return exception_event(
        type,
        message,
        stacktrace,
        service=exception.service,
        route=series.route if series else "",
        method=series.method if series else "",
        trace_id=exception.trace_id.hex(),
        span_id=exception.span_id.hex(),
        attributes=attributes,
        secret_keys=secret_keys,
    )
