"""`POST /v1/metrics`, in both encodings: what counts, what does not, and how that is said."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
)
from opsboard.adapters.http.app import create_app
from opsboard.application.board import Opsboard
from opsboard.domain.sample import SeriesKey

from ..fakes import SECOND_NS, START_NS, ManualClock
from .otlp import JSON, PROTOBUF, attributes, encoded, span, traces
from .server import TOKEN

DURATION, OLD = "http.server.request.duration", "http.server.duration"
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
BOUNDS = [0.005, 0.01, 0.025, 0.05]
SAID = {"http.request.method": "GET", "http.route": "/pay", "http.response.status_code": 200}


class Sender:
    """An exporter, and an eye on what became of what it sent."""

    def __init__(self, board: Opsboard, client: httpx.AsyncClient, content_type: str) -> None:
        self.board = board
        self.client = client
        self.content_type = content_type

    async def post(self, body: bytes | Message, path: str = "/v1/metrics") -> httpx.Response:
        content = encoded(body, self.content_type) if isinstance(body, Message) else body
        headers = {"content-type": self.content_type, "x-ops-token": TOKEN}
        return await self.client.post(path, content=content, headers=headers)

    async def send(self, *metrics: Metric, **resource: Any) -> tuple[int, str]:
        """Post metrics; how many points were rejected, and why."""
        return await self.send_all(request(*metrics, **resource))

    async def send_all(self, body: Message) -> tuple[int, str]:
        answer = await self.post(body)
        assert answer.status_code == 200, answer.content
        assert answer.headers["content-type"] == self.content_type
        if self.content_type == JSON:
            said = answer.json().get("partialSuccess", {})
            return int(said.get("rejectedDataPoints", 0)), said.get("errorMessage", "")
        partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
        return partial.rejected_data_points, partial.error_message

    async def rows(self) -> list[tuple[Any, ...]]:
        """Service, route, method, status code, count and sum in ms of each series."""
        snapshot = await self.board.metrics()
        return [
            (r.service, r.route, r.method, r.status_code, r.count, round(r.latency_ms * r.count, 3))
            for r in snapshot.requests
            if r.service != "opsboard"
        ]


@pytest.fixture(params=[PROTOBUF, JSON])
async def sender(request: pytest.FixtureRequest, board: Opsboard) -> AsyncIterator[Sender]:
    app = create_app(board, api_token=TOKEN, read_token=None, version="0")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Sender(board, client, request.param)


def point(
    counts: list[int],
    *,
    total: float | None = None,
    end: int = START_NS,
    start: int = START_NS - 60 * SECOND_NS,
    bounds: list[float] = BOUNDS,
    said: Mapping[str, Any] = SAID,
    **more: Any,
) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=attributes(said),
        start_time_unix_nano=start,
        time_unix_nano=end,
        count=sum(counts),
        sum=0.01 * sum(counts) if total is None else total,
        bucket_counts=counts,
        explicit_bounds=bounds,
        **more,
    )


def durations(
    *points: HistogramDataPoint, name: str = DURATION, unit: str = "s", temporality: Any = DELTA
) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.histogram.aggregation_temporality = temporality
    metric.histogram.data_points.extend(points)
    return metric


def exponential(*points: ExponentialHistogramDataPoint, temporality: Any = DELTA) -> Metric:
    metric = Metric(name=DURATION, unit="s")
    metric.exponential_histogram.aggregation_temporality = temporality
    metric.exponential_histogram.data_points.extend(points)
    return metric


def exponential_point(
    counts: list[int], offset: int, scale: int = 5, **more: Any
) -> ExponentialHistogramDataPoint:
    found = ExponentialHistogramDataPoint(
        attributes=attributes(SAID),
        start_time_unix_nano=START_NS - 60 * SECOND_NS,
        time_unix_nano=START_NS,
        count=sum(counts) + more.get("zero_count", 0),
        sum=0.5 * sum(counts),
        scale=scale,
        **more,
    )
    found.positive.offset = offset
    found.positive.bucket_counts.extend(counts)
    return found


def request(*metrics: Metric, **resource: Any) -> ExportMetricsServiceRequest:
    """One request with these metrics; `resource` are the resource's attributes."""
    made = ExportMetricsServiceRequest()
    sent = made.resource_metrics.add()
    said = {"service__name": "shop"} | resource
    sent.resource.attributes.extend(
        attributes({name.replace("__", "."): v for name, v in said.items() if v is not None})
    )
    of_scope = sent.scope_metrics.add()
    of_scope.scope.name = "instrumentation"
    of_scope.metrics.extend(metrics)
    return made


async def test_histograms_are_merged_into_the_metrics_of_their_service(sender: Sender) -> None:
    failed = SAID | {"http.response.status_code": 503}
    old_names = {"http.method": "POST", "http.route": "/old", "http.status_code": 201}
    without = {"http.request.method": "BREW", "error.type": "ValueError"}
    metric = durations(
        point([1, 2, 0, 4, 0], total=0.3, min=0.001, max=0.045),
        point([0, 0, 1, 0, 0], total=0.02, said=failed),
        point([0, 0, 1, 0, 0], total=0.02, said=old_names),
        point([0, 0, 1, 0, 0], total=0.02, said=without),
        point([0, 0, 0, 0, 0]),
    )
    assert await sender.send(metric) == (0, "")
    assert await sender.rows() == [
        ("shop", "(unmatched)", "_OTHER", 500, 1, 20),
        ("shop", "/old", "POST", 201, 1, 20),
        ("shop", "/pay", "GET", 200, 7, 300),
        ("shop", "/pay", "GET", 503, 1, 20),
    ]
    row = (await sender.board.metrics(route="/pay")).requests[0]
    assert row.max_ms == 45
    assert 25 < row.p50_ms <= 50
    assert (await sender.board.metrics(service="shop")).errors_total == 2
    assert sender.board.intake.counts["data points", "kept"] == 5


async def test_exponential_histograms_keep_their_buckets(sender: Sender) -> None:
    metric = exponential(
        exponential_point([3, 0, 4], -64, zero_count=2, min=0.25, max=0.265),
        exponential_point([1] * 8, -8 << 5, scale=10),
        exponential_point([16], -1, scale=0),
    )
    assert await sender.send(metric) == (0, "")
    assert await sender.rows() == [("shop", "/pay", "GET", 200, 33, 15_500)]
    rollups, series = sender.board.rollups.total, sender.board.rollups.series
    id = series.find(SeriesKey("shop", "/pay", "GET", 200))
    (found,) = [each for at, each in rollups.histograms() if at == id]
    assert found.zero_count == 2
    assert (found.buckets.pop(-64), found.buckets.pop(-62)) == (3, 4)
    # Eight buckets of scale 10 lie in one of ours; a bucket of scale 0 is thirty-two of ours.
    assert found.buckets.pop(-8) in {8, 9}
    assert set(found.buckets.values()) == {1}
    assert len(found.buckets) in {15, 16}
    assert set(found.buckets) < set(range(-32, 0))


async def test_counters_count_what_they_grew_by(sender: Sender, clock: ManualClock) -> None:
    for total in (1, 1, 4):
        clock.advance(60 * SECOND_NS)
        sent = point([0, total, 0, 0, 0], start=START_NS, end=clock.now())
        coarse = exponential_point([total], -64 >> total, scale=5 - total)
        coarse.time_unix_nano, coarse.start_time_unix_nano = clock.now(), START_NS
        assert await sender.send(durations(sent, temporality=CUMULATIVE)) == (0, "")
        other = exponential(coarse, temporality=CUMULATIVE)
        assert await sender.send(other, service__name="other") == (0, "")
    assert [(row[0], row[4]) for row in await sender.rows()] == [("other", 4), ("shop", 4)]


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
async def test_a_resent_request_counts_once(sender: Sender, temporality: Any) -> None:
    metric = durations(point([1, 2, 3, 4, 5], total=3), temporality=temporality)
    for _ in range(3):
        assert await sender.send(metric) == (0, "")
    assert [row[4] for row in await sender.rows()] == [15]


async def test_counters_of_several_processes_count_apart(sender: Sender) -> None:
    for start, worker in ((1, "a"), (2, "a"), (2, "b")):
        metric = durations(
            point([0, 3, 0, 0, 0], start=START_NS - start * SECOND_NS), temporality=CUMULATIVE
        )
        assert await sender.send(metric, service__instance__id=worker) == (0, "")
    assert [row[4] for row in await sender.rows()] == [9]


async def test_the_old_metric_counts_in_ms_unless_the_new_one_is_there(sender: Sender) -> None:
    said = {"http.method": "GET", "http.target": "/of/python", "http.status_code": 200}
    metric = durations(point([0, 2], bounds=[5.0], total=20, said=said), name=OLD, unit="ms")
    assert await sender.send(metric) == (0, "")
    assert await sender.rows() == [("shop", "/of/python", "GET", 200, 2, 20)]
    refused = await sender.send(metric, durations(point([1, 0, 0, 0, 0])), service__name="both")
    assert refused == (1, f"{OLD} is not kept beside {DURATION}, which says the same (1)")
    assert [row[:2] for row in await sender.rows()] == [("both", "/pay"), ("shop", "/of/python")]


async def test_other_metrics_are_rejected_by_name_and_count(sender: Sender) -> None:
    gauge, total, summary = Metric(name="load"), Metric(name="requests"), Metric(name="sizes")
    gauge.gauge.data_points.add().as_double = 1.5
    for _ in range(3):
        total.sum.data_points.add().as_int = 7
    summary.summary.data_points.add().count = 1
    other = durations(point([1, 0, 0, 0, 0]), name="http.client.request.duration")
    wrong_kind = Metric(name=DURATION, unit="s")
    wrong_kind.gauge.data_points.add().as_double = 0.5
    count, reason = await sender.send(
        gauge,
        total,
        summary,
        other,
        wrong_kind,
        Metric(name="nothing"),
        durations(point([1, 0, 0, 0, 0])),
    )
    assert count == 7
    only = f"is not kept: only histograms {DURATION} and {OLD} are"
    assert reason.startswith(f"requests {only} (3); ")
    for name in ("load", "sizes", "http.client.request.duration", DURATION):
        assert f"{name} {only} (1)" in reason
    assert [row[4] for row in await sender.rows()] == [1]
    assert sender.board.intake.counts["data points", "rejected"] == 7


def long_point() -> HistogramDataPoint:
    return point([1] * 2_001, bounds=[0.001 * n for n in range(1, 2_001)])


def negative_point() -> ExponentialHistogramDataPoint:
    found = exponential_point([1], 0)
    found.negative.bucket_counts.append(1)
    found.count = 2
    return found


def no_sum() -> HistogramDataPoint:
    found = point([1, 0, 0, 0, 0])
    found.ClearField("sum")
    return found


ONE = [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (durations(point(ONE), unit="ms"), "must have the unit s, not 'ms'"),
        (durations(point(ONE), unit=""), "must have the unit s, not ''"),
        (durations(point(ONE), name=OLD, unit="s"), "must have the unit ms, not 's'"),
        (durations(point(ONE), temporality=0), "must be delta or cumulative"),
        (durations(point(ONE, said={"http.route": "/"})), "must have http.request.method"),
        (
            durations(point(ONE, said=SAID | {"http.response.status_code": 7})),
            "http.response.status_code must be 100-999",
        ),
        (durations(point(ONE, said=SAID | {"http.route": "/" * 5_001})), "http.route must be text"),
        (durations(point([1, 0])), "must have one bound fewer than buckets"),
        (durations(point(ONE, total=float("inf"))), "must have a finite sum"),
        (durations(point(ONE, total=-1)), "the sum must be"),
        (durations(no_sum()), "must have a sum"),
        (durations(point(ONE, max=90_000)), "the least and greatest"),
        (durations(long_point()), "must have at most 2000 buckets"),
        (durations(point(ONE, end=START_NS - 61 * SECOND_NS)), "must not end before it starts"),
        (durations(point(ONE, end=2**63)), "must not end before it starts, nor after 2262"),
        (durations(point(ONE, end=START_NS + 90_000 * SECOND_NS)), "must end at most a day ahead"),
        (durations(point(ONE, start=0, end=0)), "must not end before 2026-01-24T09:00:00.000Z"),
        (exponential(negative_point()), "must have no latencies below 0"),
        (exponential(exponential_point([1], 0, scale=21)), "the scale must be -10 to 20"),
        (exponential(exponential_point([1], 600)), "it has latencies of more than a day"),
        (
            durations(point(ONE, start=START_NS - 90_000 * SECOND_NS), temporality=CUMULATIVE),
            "the counter started over a day ago",
        ),
    ],
)
async def test_points_that_break_a_rule_are_rejected_one_by_one(
    sender: Sender, metric: Metric, said: str
) -> None:
    count, reason = await sender.send(metric, durations(point([0, 2, 0, 0, 0])))
    assert (count, said in reason) == (1, True), reason
    assert reason.endswith("(1)")
    assert [row[4] for row in await sender.rows()] == [2]


async def test_a_resource_that_can_be_no_service_rejects_its_points(sender: Sender) -> None:
    count, reason = await sender.send(durations(point(ONE), point(ONE)), service__name="x" * 81)
    assert (count, "service.name must be" in reason) == (2, True)
    assert await sender.send(durations(point(ONE)), service__name=None) == (0, "")
    assert [row[0] for row in await sender.rows()] == ["unknown_service"]


async def test_a_point_without_a_value_is_none(sender: Sender) -> None:
    assert await sender.send(durations(point([0, 0, 0, 0, 0], flags=1))) == (0, "")
    assert await sender.rows() == []


async def test_what_has_no_bounds_counts_at_its_mean(sender: Sender) -> None:
    bare = point([], bounds=[], total=0.4)
    bare.count = 4
    assert await sender.send(durations(bare)) == (0, "")
    row = (await sender.board.metrics(service="shop")).requests[0]
    assert (row.count, row.latency_ms) == (4, 100)
    assert row.p50_ms == pytest.approx(100, rel=0.022)


async def test_requests_count_once_where_spans_come_too(sender: Sender, clock: ManualClock) -> None:
    """The spans first: they count. Then a minute whose histogram came before its spans."""
    await sender.post(traces(*[span(n) for n in (1, 2, 3)]), "/v1/traces")
    count, reason = await sender.send(durations(point([0, 3, 0, 0, 0])))
    assert (count, reason) == (
        1,
        f"{DURATION}: spans or samples count the requests of shop already (1)",
    )
    assert sum(row[4] for row in await sender.rows()) == 3
    clock.advance(700 * SECOND_NS)
    now = clock.now()
    sent = point([0, 2, 0, 0, 0], start=now - 60 * SECOND_NS, end=now)
    assert await sender.send(durations(sent)) == (0, "")
    await sender.board.rollups.catch_up()
    late = [span(n, end=now - n * SECOND_NS) for n in (5, 6)]
    answer = await sender.post(traces(*late, span(9, end=now + SECOND_NS)), "/v1/traces")
    assert b"counted before (2)" in answer.content
    assert sum(row[4] for row in await sender.rows()) == 3 + 2 + 1


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xff",
        b"{",
        b'{"resourceMetrics": 7}',
        b'{"resourceMetrics": ' + b"[" * 100_000,
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "\xff"}]}]}]}',
    ],
)
async def test_what_is_no_otlp_is_a_400(sender: Sender, body: bytes) -> None:
    assert (await sender.post(body)).status_code == 400


JSON_POINT = {
    "attributes": [
        {"key": "http.request.method", "value": {"stringValue": "GET"}},
        {"key": "http.response.status_code", "value": {"intValue": 200}},
    ],
    "startTimeUnixNano": str(START_NS - 1),
    "timeUnixNano": str(START_NS),
    "count": 2,
    "sum": 0.5,
    "bucketCounts": ["2", 0],
    "explicitBounds": [0.25],
    "exemplars": [{"traceId": "00", "asDouble": 1}],
}


def as_json(point: Mapping[str, Any], **more: Any) -> bytes:
    data = {"dataPoints": [point], "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}
    metric = {"name": DURATION, "unit": "s", "histogram": data, **more}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


@pytest.mark.parametrize(
    ("changed", "status", "rejected"),
    [
        ({}, 200, 0),
        ({"unheardOf": {"x": [1]}}, 200, 0),
        ({"max": "NaN", "min": None}, 200, 0),
        ({"count": "2", "sum": "0.5"}, 200, 0),
        ({"sum": "Infinity"}, 200, 1),
        ({"sum": "much"}, 200, 1),
        ({"count": "two"}, 200, 1),
        ({"count": str(2**64)}, 200, 1),
        ({"bucketCounts": ["two", 0]}, 200, 1),
        ({"explicitBounds": ["x"]}, 200, 1),
        ({"timeUnixNano": "soon"}, 200, 1),
        ({"flags": "1", "count": 0}, 200, 0),
        ({"count": 2.5}, 400, 0),
        ({"attributes": 7}, 400, 0),
    ],
)
async def test_json_as_exporters_write_it(
    board: Opsboard, changed: dict[str, Any], status: int, rejected: int
) -> None:
    app = create_app(board, api_token=TOKEN, read_token=None, version="0")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        sender = Sender(board, client, JSON)
        answer = await sender.post(as_json({**JSON_POINT, **changed}))
    assert answer.status_code == status, answer.content
    said = answer.json().get("partialSuccess", {})
    assert int(said.get("rejectedDataPoints", 0)) == rejected
    counted = status == 200 and not rejected and "flags" not in changed
    shown = await board.metrics(service="unknown_service")
    assert shown.requests_total == (2 if counted else 0)


async def test_whoever_has_no_token_is_refused(sender: Sender) -> None:
    headers = {"content-type": sender.content_type}
    answer = await sender.client.post("/v1/metrics", content=b"", headers=headers)
    assert answer.status_code == 401
