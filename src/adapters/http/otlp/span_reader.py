"""The server spans of a request as columns: the hot path, some two microseconds a span."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from ....application.record import SampleRecorder
from ....application.record_spans import SpanException, Spans
from ....domain.origin import Origin
from ....domain.sample import SeriesKey
from ....domain.span import (
    ROLES,
    STABLE,
    TRACE_ID_LENGTH,
    SpanColumns,
    series_of,
)
from ....domain.validation import InvalidInput
from .encoding import Encoding
from .resources import Resource, Resources
from .trace_messages import FORMS, SpanEvent, TraceForm

MAX_KNOWN_ATTRIBUTES = 65_536
MAX_KNOWN_BYTES = 1_024
SPANS_AT_ONCE = 2_000
"""After so many, other requests have their turn."""

_SERVER = frozenset({2, "SPAN_KIND_SERVER"})
_FAILED = frozenset({2, "STATUS_CODE_ERROR"})
_NOT_KEPT = -1


class _Gathered:
    """What was found in a request so far."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.ids: list[Any] = []
        self.starts: list[Any] = []
        self.ends: list[Any] = []
        self.not_kept = 0
        self.origins: set[Origin] = set()
        self.faults: Counter[str] = Counter()
        self.found: list[tuple[Resource, Any, SpanEvent]] = []

    def spans(self, form: TraceForm, keys: Mapping[int, SeriesKey]) -> Spans:
        columns = SpanColumns(
            self.numbers, form.ids(self.ids), form.times(self.starts), form.times(self.ends)
        )
        exceptions = self._exceptions(form, columns, keys)
        return Spans(columns, self.not_kept, self.faults, exceptions, self.origins)

    def _exceptions(
        self, form: TraceForm, columns: SpanColumns, keys: Mapping[int, SeriesKey]
    ) -> Sequence[SpanException]:
        """The innermost span of a trace records it first, and has no route: another one has."""
        if not self.found:
            return ()
        series = {
            (keys[number].service, id[:TRACE_ID_LENGTH]): keys[number]
            for number, id in zip(columns.numbers, columns.ids, strict=True)
            if number in keys
        }
        ids = form.ids([id for _, id, _ in self.found])
        return [
            SpanException(
                resource.service,
                id[:TRACE_ID_LENGTH],
                id[TRACE_ID_LENGTH:],
                event.time,
                {**event.attributes, **resource.origin.attributes},
                series.get((resource.service, id[:TRACE_ID_LENGTH])),
            )
            for (resource, _, event), id in zip(self.found, ids, strict=True)
        ]


class SpanReader:
    """Reads traces in one encoding.

    The bytes of an attribute that names a series, and those of a resource, come again and again,
    so what they mean is remembered, within bounds, and forgotten as a whole.
    """

    def __init__(self, encoding: Encoding, samples: SampleRecorder) -> None:
        """Number series as `samples` does."""
        self._form = FORMS[encoding]
        self._samples = samples
        self._ids = count(1)
        self._known: dict[bytes, int] = {}
        self._meanings: dict[int, tuple[str, Any]] = {}
        self._resources = Resources(encoding)
        self._keys: dict[int, SeriesKey] = {}

    async def read(self, body: bytes) -> Spans:
        """The spans in a body. Raises `InvalidInput` where it can not be decoded."""
        gathered = _Gathered()
        walked = 0
        for resource, spans in self._parts(self._form.decode(body)):
            self._walk(resource, spans, gathered)
            if resource.fault is None:
                gathered.origins.add(resource.origin)
            walked += len(spans)
            if walked >= SPANS_AT_ONCE:
                walked = 0
                await asyncio.sleep(0)
        return gathered.spans(self._form, self._keys)

    def _parts(self, traces: Any) -> Iterable[tuple[Resource, Sequence[Any]]]:
        for resource_spans in traces.resource_spans or ():
            resource = self._resources.of(bytes(resource_spans.resource))
            for scope_spans in resource_spans.scope_spans or ():
                spans = scope_spans.spans or ()
                for start in range(0, len(spans), SPANS_AT_ONCE):
                    yield resource, spans[start : start + SPANS_AT_ONCE]

    def _walk(self, resource: Resource, spans: Iterable[Any], gathered: _Gathered) -> None:
        raw_attributes, known = self._form.raw_attributes, self._known.get
        series = resource.series
        for span in spans:
            number = _NOT_KEPT
            if span.kind in _SERVER:
                attributes = span.attributes if raw_attributes is None else raw_attributes(span)
                found = series.get(tuple(filter(None, map(known, attributes))))
                number = self._series(resource, span, gathered) if found is None else found
            else:
                gathered.not_kept += 1
            if number >= 0:
                gathered.numbers.append(number)
                gathered.ids.append(span.trace_id + span.span_id)
                gathered.starts.append(span.start_time_unix_nano)
                gathered.ends.append(span.end_time_unix_nano)
            if span.events:
                self._find_exceptions(resource, span, gathered)

    def _series(self, resource: Resource, span: Any, gathered: _Gathered) -> int:
        """The number of a span's series, where its attributes have not been seen together yet."""
        attributes = list((self._form.raw_attributes or _as_they_are)(span))
        failed = span.status is not None and span.status.code in _FAILED
        try:
            if resource.fault is not None:
                raise resource.fault
            key = series_of(resource.service, self._meant_by(attributes), failed=failed)
        except InvalidInput as fault:
            gathered.faults[str(fault)] += 1
            return _NOT_KEPT
        if key is None:
            gathered.not_kept += 1
            return _NOT_KEPT
        number = self._samples.series(key)
        self._keys[number] = key
        self._remember(resource, attributes, number)
        return number

    def _meant_by(self, attributes: Iterable[bytes]) -> dict[str, Any]:
        """The attributes that name a series, which are known from now on."""
        meant = {}
        for raw in attributes:
            known = self._known.get(raw)
            if known is not None:
                name, value = self._meanings[known]
            elif self._form.may_matter(raw):
                name, value = self._form.attribute(raw)
                self._learn(raw, name, value)
            else:
                continue
            meant[name] = value
        return meant

    def _learn(self, raw: bytes, name: str, value: Any) -> None:
        if name not in ROLES or len(raw) > MAX_KNOWN_BYTES:
            return
        if len(self._known) >= MAX_KNOWN_ATTRIBUTES:
            self._known.clear()
            self._meanings.clear()
        id = self._known[raw] = next(self._ids)
        self._meanings[id] = (name, value)

    def _remember(self, resource: Resource, attributes: Iterable[bytes], number: int) -> None:
        """Only where nothing is missing: what is could be among attributes not known yet."""
        found = tuple(filter(None, map(self._known.get, attributes)))
        roles = {ROLES[self._meanings[id][0]] for id in found}
        if roles >= STABLE:
            if len(resource.series) >= MAX_KNOWN_ATTRIBUTES:
                resource.series.clear()
            resource.series[found] = number

    def _find_exceptions(self, resource: Resource, span: Any, gathered: _Gathered) -> None:
        for raw in span.events:
            try:
                event = self._form.event(bytes(raw))
            except InvalidInput:
                gathered.faults["an event of a span can not be read"] += 1
                continue
            if event.name == "exception" and resource.fault is None:
                id = span.trace_id + span.span_id
                gathered.found.append((resource, id, event))


def _as_they_are(span: Any) -> Iterable[bytes]:
    attributes: Iterable[bytes] = span.attributes
    return attributes
