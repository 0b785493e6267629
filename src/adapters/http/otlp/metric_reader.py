"""The histograms of served requests in a request of metrics, and why its other points are none."""

import asyncio
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ....application.record_histograms import SentHistogram
from ....domain.fitting import fit_text
from ....domain.measured import MeasuredHistogram, UnusableHistogram
from ....domain.span import ROUTE, series_of, service_of
from ....domain.validation import InvalidInput
from .metric_messages import EXPONENTIAL, HISTOGRAM, MetricForm

DURATION, OLD_DURATION = "http.server.request.duration", "http.server.duration"
MAX_BUCKETS = 2_000
POINTS_AT_ONCE = 200
"""After so many, other requests have their turn."""

_UNITS = {DURATION: ("s", 1_000_000_000), OLD_DURATION: ("ms", 1_000_000)}
_OLD_ROUTE = "http.target"
"""Where Python's instrumentations have the route of the old metric."""
_DELTA, _CUMULATIVE = 1, 2
_NO_VALUE = 1
_MAX_NAME_LENGTH = 100
_NAME_BYTES = 16
_SUM_LIMIT = 2.0**63
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Metrics(NamedTuple):
    """The histograms of a request, and how many other points it has, by reason."""

    sent: list[SentHistogram]
    faults: Counter[str]


class _Source(NamedTuple):
    """Who measured: what of a point's name it has in common with the others of its metric."""

    service: str
    identity: tuple[Any, ...]
    metric: str
    unit_ns: int
    is_exponential: bool
    is_cumulative: bool


class MetricReader:
    """Reads metrics in one encoding."""

    def __init__(self, form: MetricForm) -> None:
        """Read messages of this form."""
        self._form = form

    async def read(self, body: bytes) -> Metrics:
        """What a body holds. Raises `InvalidInput` where it can not be decoded."""
        found = Metrics([], Counter())
        for number, (source, point) in enumerate(
            self._points(self._form.decode(body), found.faults), start=1
        ):
            try:
                sent = self._sent(source, point)
            except (InvalidInput, UnusableHistogram) as fault:
                found.faults[f"{source.metric}: {fault}"] += 1
            else:
                found.sent.extend([sent] if sent else [])
            if number % POINTS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return found

    def _points(self, metrics: Any, faults: Counter[str]) -> Iterator[tuple[_Source, Any]]:
        """Every point of a histogram of requests; the others are counted in `faults`."""
        for resource_metrics in metrics.resource_metrics or ():
            sent = [
                (scope_metrics.scope, metric)
                for scope_metrics in resource_metrics.scope_metrics or ()
                for metric in scope_metrics.metrics or ()
            ]
            names = {metric.name for _, metric in sent}
            for scope, metric in sent:
                kind = self._form.kind(metric)
                data = getattr(metric, kind) if kind else None
                points = (data.data_points if data else None) or ()
                try:
                    _check_metric(metric, kind, names)
                    source = self._source(resource_metrics.resource, scope, metric, kind, data)
                except InvalidInput as fault:
                    faults[str(fault)] += len(points)
                    continue
                for point in points:
                    yield source, point

    def _source(self, resource: Any, scope: Any, metric: Any, kind: Any, data: Any) -> _Source:
        attributes = self._form.attributes(resource)
        temporality = self._form.number(data, "aggregation_temporality")
        if temporality not in {_DELTA, _CUMULATIVE}:
            raise InvalidInput.of(metric.name, "must be delta or cumulative")
        unit, unit_ns = _UNITS[metric.name]
        of_scope = (scope.name or "", scope.version or "", self._form.attributes(scope))
        return _Source(
            service_of(attributes),
            (attributes, of_scope, metric.name, unit, kind),
            metric.name,
            unit_ns,
            kind == EXPONENTIAL,
            temporality == _CUMULATIVE,
        )

    def _sent(self, source: _Source, point: Any) -> SentHistogram | None:
        """The histogram that a point is; none where it says that there is none."""
        number = self._form.number
        if number(point, "flags") & _NO_VALUE:
            return None
        attributes = self._form.attributes(point)
        started_ns = number(point, "start_time_unix_nano")
        ended_ns = number(point, "time_unix_nano")
        if max(started_ns, ended_ns) >= _SUM_LIMIT or started_ns > ended_ns:
            raise UnusableHistogram("must not end before it starts, nor after 2262")
        series = series_of(
            source.service,
            _with_route(attributes, source.metric),
            failed="error.type" in attributes,
        )
        if series is None:
            raise UnusableHistogram("must have http.request.method")
        name = (source.identity, attributes, started_ns)
        return SentHistogram(
            series,
            started_ns,
            ended_ns,
            self._histogram(source, point),
            hashlib.sha256(_encode(name)).digest()[:_NAME_BYTES] if source.is_cumulative else None,
            source.metric,
        )

    def _histogram(self, source: _Source, point: Any) -> MeasuredHistogram:
        form = self._form
        total = form.measured(point, "sum")
        if total is None:
            raise UnusableHistogram("must have a sum")
        said: dict[str, Any] = {
            "count": form.number(point, "count"),
            "sum_ns": _ns(total, source.unit_ns),
            "unit_ns": source.unit_ns,
        }
        for name in ("min", "max"):
            value = form.measured(point, name)
            said[f"{name}_ns"] = None if value is None else _ns(value, source.unit_ns)
        shape = self._exponential if source.is_exponential else self._explicit
        return MeasuredHistogram(**said, **shape(point, said["count"]))

    def _explicit(self, point: Any, count: int) -> dict[str, Any]:
        bounds, counts = self._form.bounds(point), self._counts(point)
        if not bounds and not counts:
            counts = [count]
        if len(counts) != len(bounds) + 1:
            raise UnusableHistogram("must have one bound fewer than buckets")
        return {"bounds": bounds, "buckets": {i: n for i, n in enumerate(counts) if n}}

    def _exponential(self, point: Any, count: int) -> dict[str, Any]:  # noqa: ARG002
        number = self._form.number
        if any(self._counts(point.negative)):
            raise UnusableHistogram("must have no latencies below 0")
        counts = self._counts(point.positive)
        offset = number(point.positive, "offset") if counts else 0
        return {
            "scale": number(point, "scale"),
            "zero_count": number(point, "zero_count"),
            "zero_upto": self._form.measured(point, "zero_threshold") or 0.0,
            "buckets": {i: n for i, n in enumerate(counts, start=offset) if n},
        }

    def _counts(self, buckets: Any) -> list[int]:
        counts = self._form.counts(buckets)
        if len(counts) > MAX_BUCKETS:
            raise UnusableHistogram(f"must have at most {MAX_BUCKETS} buckets")
        return counts


def _check_metric(metric: Any, kind: str | None, names: set[str | None]) -> None:
    """Raises `InvalidInput` naming a metric that is no histogram of request latencies."""
    name = fit_text(metric.name or "", _MAX_NAME_LENGTH)
    if kind not in {HISTOGRAM, EXPONENTIAL} or name not in _UNITS:
        detail = f"is not kept: only histograms {DURATION} and {OLD_DURATION} are"
        raise InvalidInput.of(name, detail)
    unit, _ = _UNITS[name]
    if metric.unit != unit:
        given = fit_text(metric.unit or "", _MAX_NAME_LENGTH)
        raise InvalidInput.of(name, f"must have the unit {unit}, not {given!r}")
    if name == OLD_DURATION and DURATION in names:
        raise InvalidInput.of(name, f"is not kept beside {DURATION}, which says the same")


def _with_route(attributes: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    if metric == OLD_DURATION and ROUTE not in attributes and _OLD_ROUTE in attributes:
        return {**attributes, ROUTE: attributes[_OLD_ROUTE]}
    return attributes


def _ns(value: float, unit_ns: int) -> int:
    """A measurement in whole ns. Raises `UnusableHistogram` where it is out of all bounds."""
    ns = value * unit_ns
    if not math.isfinite(ns) or abs(ns) >= _SUM_LIMIT:
        raise UnusableHistogram("must have a finite sum, minimum and maximum")
    return round(ns)
