"""Request metrics as Prometheus reads them: text, or OpenMetrics where the client asks for it."""

from collections.abc import Iterator, Sequence

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from ...application.query_metrics import MetricsAnswer
from ...domain.histogram import ExponentialHistogram
from .negotiation import narrowed

MEDIA_TYPES = ("application/openmetrics-text", "text/plain")

# OpenTelemetry's advice for http.server.request.duration, in seconds.
_BOUNDS_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
_LABELS = ("service_name", "http_route", "http_request_method", "http_response_status_code")


def exposition(answer: MetricsAnswer, dropped: int, accept: str) -> tuple[bytes, str]:
    """The metrics in the format that `accept` prefers, and its content type.

    `dropped` counts the samples that this process had to drop. A bucket's count is exact but for
    latencies within 2.2 % of its bound, which may count on the other side of it.
    """
    registry = CollectorRegistry()
    registry.register(_Exposed(answer, dropped))
    encode, content_type = choose_encoder(narrowed(accept, MEDIA_TYPES))
    return encode(registry), content_type


class _Exposed(Collector):
    def __init__(self, answer: MetricsAnswer, dropped: int) -> None:
        self._answer = answer
        self._dropped = dropped

    def collect(self) -> Iterator[Metric]:
        durations = HistogramMetricFamily(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            labels=_LABELS,
        )
        histograms = (
            (self._answer.series.key(series), histogram)
            for series, histogram in self._answer.rollups.histograms()
        )
        for key, histogram in sorted(histograms, key=lambda found: found[0]):
            labels = [key.service, key.route, key.method, str(key.status_code)]
            durations.add_metric(labels, _buckets(histogram), histogram.sum_ns / 1e9)
        yield durations
        yield GaugeMetricFamily(
            "opsboard_uptime_seconds",
            "Time since the server started.",
            self._answer.uptime_ns / 1e9,
        )
        yield CounterMetricFamily(
            "opsboard_samples_dropped",
            "Request samples that could not be kept since the start.",
            self._dropped,
        )


def _buckets(histogram: ExponentialHistogram) -> Sequence[tuple[str, float]]:
    counts = [histogram.count_upto(bound * 1e9) for bound in _BOUNDS_SECONDS]
    bounds = [str(bound) for bound in _BOUNDS_SECONDS]
    return [*zip(bounds, map(float, counts), strict=True), ("+Inf", float(histogram.count))]
