"""The metrics exporter of the real OpenTelemetry SDK against a real server, by its own settings."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import patience
from .server import TOKEN, Server, environment, serving

APP = """
import json, os, random, sys
from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3_600_000)
provider = MeterProvider([reader])
meter = provider.get_meter("app")
duration = meter.create_histogram(
    "http.server.request.duration", "s",
    explicit_bucket_boundaries_advisory=[
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    ],
)
meter.create_counter("requests").add(1)
dice = random.Random(int(sys.argv[1]))
for _ in sys.stdin:
    said = []
    for _ in range(500):
        took = min(dice.lognormvariate(-3, 1), 60)
        status = dice.choice([200, 200, 200, 404, 500])
        said.append([status, took])
        duration.record(took, {
            "http.request.method": "GET", "http.route": "/cart/{id}",
            "http.response.status_code": status,
        })
    assert provider.force_flush(240_000)
    print(json.dumps(said), flush=True)
provider.shutdown(240_000)
"""
"""Records 500 requests for each line that it is given, exports them, and says what they were."""


class App:
    """A process with an SDK in it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.sent: list[tuple[int, float]] = []

    def serve(self) -> None:
        """Serve five hundred requests, and export what was measured."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("on\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        self.sent += [(status, took) for status, took in json.loads(line)]

    def end(self) -> None:
        """Shut the SDK down, which exports once more."""
        _, errors = self._process.communicate(timeout=patience.SECONDS)
        assert self._process.returncode == 0, errors


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:
        yield server


def started(server: Server, seed: int, **settings: str) -> App:
    chosen = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_TIMEOUT": f"{patience.SECONDS:.0f}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-ops-token={TOKEN}",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", APP, str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | chosen,
    )
    return App(process)


def counted(server: Server) -> dict[int, tuple[int, float, float, list[float]]]:
    """By status code: count, mean and greatest in ms, and the quantiles."""
    found = server.client.get("/metrics", params={"service": "shop"}).json()["requests"]
    return {
        row["status_code"]: (
            row["count"],
            row["latency_ms"],
            row["max_ms"],
            [row["p50_ms"], row["p95_ms"], row["p99_ms"]],
        )
        for row in found
    }


def check(server: Server, *apps: App, quantiles_within: float) -> None:
    """That count, mean and maximum are those of all that was sent, exactly."""
    found = counted(server)
    by_status: dict[int, list[float]] = {}
    for app in apps:
        for status, took in app.sent:
            by_status.setdefault(status, []).append(took * 1_000)
    assert {s: row[0] for s, row in found.items()} == {s: len(ms) for s, ms in by_status.items()}
    for status, latencies in by_status.items():
        _, mean, greatest, quantiles = found[status]
        assert mean == pytest.approx(sum(latencies) / len(latencies), abs=1e-5)
        assert greatest == pytest.approx(max(latencies), abs=1e-5)
        ascending = sorted(latencies)
        for q, quantile in zip((0.5, 0.95, 0.99), quantiles, strict=True):
            exact = ascending[int(q * len(ascending) + 0.999999) - 1]
            assert exact / quantiles_within <= quantile <= exact * quantiles_within


DELTA = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "DELTA"}
EXPONENTIAL = {
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": (
        "base2_exponential_bucket_histogram"
    )
}


@pytest.mark.parametrize(
    ("settings", "quantiles_within"),
    [
        ({}, 2.5),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"} | DELTA, 2.5),
        (EXPONENTIAL, 1.1),
        (EXPONENTIAL | DELTA, 1.1),
    ],
    ids=["explicit-cumulative", "explicit-delta", "exponential-cumulative", "exponential-delta"],
)
def test_two_processes_of_a_service_count_to_the_last_request(
    collecting: Server, settings: dict[str, str], quantiles_within: float
) -> None:
    apps = [started(collecting, seed, **settings) for seed in (1, 2)]
    for each in (0, 1, 0, 0, 1):
        apps[each].serve()
        check(collecting, *apps, quantiles_within=quantiles_within)
    for app in apps:
        app.end()
    check(collecting, *apps, quantiles_within=quantiles_within)
    assert "data points: " in collecting.client.get("/readyz").text


def test_a_server_that_was_away_counts_what_it_missed_and_nothing_twice(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        app = started(server, 3)
        app.serve()
        app.serve()
        check(server, app, quantiles_within=2.5)
        port = server.port
        server.process.kill()
        server.process.wait(timeout=patience.SECONDS)
    with serving(store, "--port", str(port)) as server:
        check(server, app, quantiles_within=2.5)
        app.serve()
        check(server, app, quantiles_within=2.5)
        app.end()
        check(server, app, quantiles_within=2.5)
