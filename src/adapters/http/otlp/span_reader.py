"""The server spans of a request as columns: the hot path, some microseconds a span."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import compress
from operator import attrgetter, itemgetter
from typing import Any

from ....application.record import SampleRecorder
from ....application.record_spans import SpanException, Spans
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
from .trace_messages import FORMS, SpanEvent

MAX_KNOWN = 65_536
MAX_KNOWN_BYTES = 1_024
MAX_PLACES = 256
SPANS_AT_ONCE = 2_000
"""After so many, other requests have their turn."""

_SERVER = frozenset({2, "SPAN_KIND_SERVER"})
_FAILED = frozenset({2, "STATUS_CODE_ERROR"})
_NOT_KEPT = -1

_columns = attrgetter(
    "attributes", "trace_id", "span_id", "start_time_unix_nano", "end_time_unix_nano"
)
_together = b",".join
"""Attributes as one key, which no others have: JSON can be cut at such commas in one way only, and
between the fields of a protobuf message, where an attribute ends, no comma can stand."""


def _none(_: Any) -> tuple[Any, ...]:
    """Picks nothing: for so many attributes, no places are known yet."""
    return ()


class _Gathered:
    """What was found in a request so far."""

    def __init__(self) -> None:
        self.parts: list[tuple[Resource, Sequence[Any]]] = []
        self.numbers: list[int] = []
        self.trace_ids: list[Any] = []
        self.span_ids: list[Any] = []
        self.starts: list[Any] = []
        self.ends: list[Any] = []
        self.not_kept = 0
        self.faults: Counter[str] = Counter()

    def keep(self, numbers: Sequence[int], columns: Sequence[Sequence[Any]]) -> None:
        """Those spans that have the number of a series."""
        found: list[Sequence[Any]] = [numbers, *columns]
        if min(numbers) < 0:
            kept = [number >= 0 for number in numbers]
            found = [list(compress(column, kept)) for column in found]
        gathered = (self.numbers, self.trace_ids, self.span_ids, self.starts, self.ends)
        for column, more in zip(gathered, found, strict=True):
            column.extend(more)


class SpanReader:
    """Reads traces in one encoding.

    The bytes of an attribute that names a series, those of all that do so in a span, and those of
    a resource, come again and again, so what they mean is remembered, within bounds, and forgotten
    as a whole.
    """

    def __init__(self, encoding: Encoding, samples: SampleRecorder) -> None:
        """Number series as `samples` does."""
        self._form = FORMS[encoding]
        self._samples = samples
        self._meanings: dict[bytes, tuple[str, Any]] = {}
        self._resources = Resources(encoding)
        self._remembered = 0

    async def read(self, body: bytes) -> Spans:
        """The spans in a body. Raises `InvalidInput` where it can not be decoded."""
        gathered = _Gathered()
        walked = 0
        for resource, spans in self._parts(self._form.decode(body)):
            gathered.parts.append((resource, spans))
            self._walk(resource, spans, gathered)
            walked += len(spans)
            if walked >= SPANS_AT_ONCE:
                walked = 0
                await asyncio.sleep(0)
        form = self._form
        columns = SpanColumns(
            gathered.numbers,
            form.ids(gathered.trace_ids, gathered.span_ids),
            form.times(gathered.starts),
            form.times(gathered.ends),
        )
        origins = {resource.origin for resource, _ in gathered.parts if resource.fault is None}
        exceptions = self._exceptions(gathered)
        return Spans(columns, gathered.not_kept, gathered.faults, exceptions, origins)

    def _parts(self, traces: Any) -> Iterable[tuple[Resource, Sequence[Any]]]:
        for resource_spans in traces.resource_spans or ():
            resource = self._resources.of(bytes(resource_spans.resource))
            for scope_spans in resource_spans.scope_spans or ():
                spans = scope_spans.spans or ()
                for start in range(0, len(spans), SPANS_AT_ONCE):
                    yield resource, spans[start : start + SPANS_AT_ONCE]

    def _walk(self, resource: Resource, spans: Sequence[Any], gathered: _Gathered) -> None:
        """Take them column by column: what is done to each of them then takes no Python."""
        served = [span for span in spans if span.kind in _SERVER]
        gathered.not_kept += len(spans) - len(served)
        if not served:
            return
        attributes, *columns = zip(*map(_columns, served), strict=True)
        gathered.keep(self._numbers(resource, served, attributes, gathered), columns)

    def _numbers(
        self,
        resource: Resource,
        spans: Sequence[Any],
        attributes: Sequence[Any],
        gathered: _Gathered,
    ) -> Sequence[int]:
        """The number of each span's series, -1 where it has none."""
        number_of, places_of = resource.series.get, resource.places.get
        numbers = [
            number_of(_together(places_of(len(each), _none)(each))) if each else None
            for each in attributes
        ]
        return [
            self._series(resource, span, gathered) if number is None else number
            for number, span in zip(numbers, spans, strict=True)
        ]

    def _series(self, resource: Resource, span: Any, gathered: _Gathered) -> int:
        """The number of a span's series, where its attributes stand in places not known yet."""
        attributes = [*map(bytes, span.attributes or ())]
        naming = _together(raw for raw in attributes if raw in self._meanings)
        found = resource.series.get(naming)
        if found is not None:
            return found
        try:
            key = self._key(resource, span, attributes)
        except InvalidInput as fault:
            gathered.faults[str(fault)] += 1
            return _NOT_KEPT
        if key is None:
            gathered.not_kept += 1
            return _NOT_KEPT
        number = self._samples.series(key)
        self._remember(resource, attributes, number)
        return number

    def _key(self, resource: Resource, span: Any, attributes: Iterable[bytes]) -> SeriesKey | None:
        """The series of a server span. Raises `InvalidInput`."""
        if resource.fault is not None:
            raise resource.fault
        failed = span.status is not None and span.status.code in _FAILED
        return series_of(resource.service, self._meant_by(attributes), failed=failed)

    def _meant_by(self, attributes: Iterable[bytes]) -> dict[str, Any]:
        """The attributes that name a series, which are known from now on."""
        meant = {}
        for raw in attributes:
            known = self._meanings.get(raw)
            if known is None:
                if not self._form.may_matter(raw):
                    continue
                known = self._form.attribute(raw)
                self._learn(raw, known)
            name, value = known
            meant[name] = value
        return meant

    def _learn(self, raw: bytes, meaning: tuple[str, Any]) -> None:
        if meaning[0] not in ROLES or len(raw) > MAX_KNOWN_BYTES:
            return
        if len(self._meanings) >= MAX_KNOWN:
            self._meanings.clear()
        self._meanings[raw] = meaning

    def _remember(self, resource: Resource, attributes: Sequence[bytes], number: int) -> None:
        """Only where nothing is missing: what is could be among attributes not known yet."""
        places = [place for place, raw in enumerate(attributes) if raw in self._meanings]
        naming = [attributes[place] for place in places]
        roles = {ROLES[self._meanings[raw][0]] for raw in naming}
        together = _together(naming)
        if not roles >= STABLE or len(together) > MAX_KNOWN_BYTES:
            return
        if self._remembered >= MAX_KNOWN:
            self._remembered = 0
            self._resources.forget_series()
        self._remembered += 1
        resource.series[together] = number
        if len(attributes) <= MAX_PLACES:
            resource.places.setdefault(len(attributes), itemgetter(*places))

    def _exceptions(self, gathered: _Gathered) -> Sequence[SpanException]:
        """Those on spans of any kind.

        The innermost span of a trace has the exception first, and no route: that is another one's.
        """
        found = [
            (resource, span, event)
            for resource, spans in gathered.parts
            if resource.fault is None
            for span in spans
            if span.events
            for event in self._events(span, gathered)
        ]
        if not found:
            return ()
        series = self._series_of_traces(gathered, {span.trace_id for _, span, _ in found})
        spans = [span for _, span, _ in found]
        ids = self._form.ids([s.trace_id for s in spans], [s.span_id for s in spans])
        return [
            SpanException(
                resource.service,
                id[:TRACE_ID_LENGTH],
                id[TRACE_ID_LENGTH:],
                event.time,
                {**event.attributes, **resource.origin.attributes},
                series.get((resource.service, span.trace_id)),
            )
            for (resource, span, event), id in zip(found, ids, strict=True)
        ]

    def _events(self, span: Any, gathered: _Gathered) -> Iterable[SpanEvent]:
        for raw in map(bytes, span.events):
            if not self._form.may_be_exception(raw):
                continue
            try:
                event = self._form.event(raw)
            except InvalidInput:
                gathered.faults["an event of a span can not be read"] += 1
                continue
            if event.name == "exception":
                yield event

    def _series_of_traces(
        self, gathered: _Gathered, traces: Collection[Any]
    ) -> Mapping[tuple[str, Any], SeriesKey]:
        """The series that each of these traces has in a service."""
        series = {}
        for resource, spans in gathered.parts:
            for span in spans:
                if span.kind in _SERVER and span.trace_id in traces:
                    with suppress(InvalidInput):
                        key = self._key(resource, span, map(bytes, span.attributes or ()))
                        if key is not None:
                            series[resource.service, span.trace_id] = key
        return series
