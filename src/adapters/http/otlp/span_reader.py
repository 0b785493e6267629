"""The server spans of a request as columns: the hot path, some microseconds a span."""

import asyncio
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import numpy as np

from ....application.record import SampleRecorder
from ....application.record_spans import SpanException, Spans
from ....domain.sample import Ints, SeriesKey
from ....domain.span import (
    ROLES,
    STABLE,
    SpanColumns,
    series_of,
)
from ....domain.validation import InvalidInput
from .encoding import Encoding
from .resources import Places, Resource, Resources
from .span_block import SpanBlock, together
from .trace_messages import FORMS, SERVER, SpanEvent

MAX_KNOWN = 65_536
MAX_KNOWN_BYTES = 1_024
MAX_PLACES = 256
SPANS_AT_ONCE = 2_000
"""After so many, other requests have their turn."""

_FAILED = frozenset({2, "STATUS_CODE_ERROR"})
_NOT_KEPT = -1


class _Gathered:
    """What was found in a request so far."""

    def __init__(self) -> None:
        self.parts: list[tuple[Resource, Sequence[Any]]] = []
        self.columns: list[SpanColumns] = []
        self.with_events: list[tuple[Resource, Any]] = []
        self.not_kept = 0
        self.faults: Counter[str] = Counter()


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
        columns = _one_after_another(gathered.columns)
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
        part = self._form.part(spans, resource.uniformity)
        gathered.not_kept += part.not_kept
        in_order = sorted(part.with_events, key=itemgetter(0))
        gathered.with_events.extend((resource, span) for _, span in in_order)
        found = [self._kept(resource, block, gathered) for block in part.blocks]
        if len(found) == 1:
            gathered.columns.append(found[0][1])
        elif found:
            order = np.argsort(np.concatenate([rows for rows, _ in found]))
            columns = _one_after_another([columns for _, columns in found])
            gathered.columns.append(columns.chosen(order))

    def _kept(
        self, resource: Resource, block: SpanBlock, gathered: _Gathered
    ) -> tuple[Ints, SpanColumns]:
        """Those spans that have a series, and their places."""
        numbers = np.array(self._numbers(resource, block, gathered), np.int64)
        kept = np.flatnonzero(numbers >= 0)
        return block.rows[kept], SpanColumns(numbers[kept], *block.columns(kept))

    def _numbers(self, resource: Resource, block: SpanBlock, gathered: _Gathered) -> Sequence[int]:
        """The number of each span's series, -1 where it has none."""
        keys = block.naming(resource.places)
        numbers = [*map(resource.series.get, keys)]
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers):
            return known
        return [
            self._number(resource, block.span(at), keys[at], gathered) if number is None else number
            for at, number in enumerate(numbers)
        ]

    def _number(self, resource: Resource, span: Any, key: Hashable, gathered: _Gathered) -> int:
        """The number of a span's series, where its attributes are not known by this key."""
        attributes = [*map(bytes, span.attributes or ())]
        places = resource.places.get(len(attributes))
        naming = together(places.pick(attributes)) if places else b""
        number = resource.series.get(naming)
        if number is None:
            number = self._series(resource, span, attributes, gathered)
        if key and resource.series.get(naming) == number:
            self._hold(resource, key, number)
        return number

    def _series(
        self, resource: Resource, span: Any, attributes: Sequence[bytes], gathered: _Gathered
    ) -> int:
        """The number of a span's series, where its attributes stand in places not known yet."""
        naming = together(raw for raw in attributes if raw in self._meanings)
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
        key = together(naming)
        if not roles >= STABLE or len(key) > MAX_KNOWN_BYTES:
            return
        self._hold(resource, key, number)
        if len(attributes) <= MAX_PLACES:
            resource.places.setdefault(len(attributes), Places(places, itemgetter(*places)))

    def _hold(self, resource: Resource, key: Hashable, number: int) -> None:
        if self._remembered >= MAX_KNOWN:
            self._remembered = 0
            self._resources.forget_series()
        self._remembered += 1
        resource.series[key] = number

    def _exceptions(self, gathered: _Gathered) -> Sequence[SpanException]:
        """Those on spans of any kind.

        The innermost span of a trace has the exception first, and no route: that is another one's.
        """
        found = [
            (resource, span, event)
            for resource, span in gathered.with_events
            if resource.fault is None
            for event in self._events(span, gathered)
        ]
        if not found:
            return ()
        series = self._series_of_traces(gathered, {span.trace_id for _, span, _ in found})
        return [
            SpanException(
                resource.service,
                *self._form.ids(span),
                event.time,
                {**event.attributes, **resource.origin.attributes},
                series.get((resource.service, span.trace_id)),
            )
            for resource, span, event in found
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
            for span in map(self._form.span, spans):
                if span.kind in SERVER and span.trace_id in traces:
                    with suppress(InvalidInput):
                        key = self._key(resource, span, map(bytes, span.attributes or ()))
                        if key is not None:
                            series[resource.service, span.trace_id] = key
        return series


def _one_after_another(columns: Sequence[SpanColumns]) -> SpanColumns:
    if len(columns) == 1:
        return columns[0]
    if not columns:
        return SpanColumns.none()
    return SpanColumns(*map(np.concatenate, zip(*columns, strict=True)))
