"""`POST /v1/traces`, in both encodings: what is kept, what is not, and how that is said."""

import asyncio
import gzip
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opsboard.adapters.http.app import create_app
from opsboard.adapters.http.otlp import span_reader
from opsboard.adapters.http.otlp.export import MAX_BODY_BYTES
from opsboard.adapters.http.otlp.span_reader import SpanReader
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import Overloaded, StoreUnavailable
from opsboard.domain.entry import Stream

from ..fakes import START_NS, CountingIds, ManualClock, entries
from .otlp import JSON, PROTOBUF, attributes, encoded, ids, span, traces
from .server import TOKEN

BAD_TIME = b"""{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": 2, %b, "attributes": [
    {"key": "http.method", "value": {"stringValue": "GET"}}]}]}]}]}"""
DAY = 86_400_000_000_000


class Sender:
    """An exporter, and an eye on what became of what it sent."""

    def __init__(self, board: Opsboard, client: httpx.AsyncClient, content_type: str) -> None:
        self.board = board
        self.client = client
        self.content_type = content_type

    async def post(self, body: bytes | Message, **headers: str) -> httpx.Response:
        content = encoded(body, self.content_type) if isinstance(body, Message) else body
        given = {"content-type": self.content_type, "x-ops-token": TOKEN}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/v1/traces", content=content, headers=given)

    async def send(self, *spans: Span, **resource: Any) -> tuple[int, str]:
        """Post spans; how many were rejected, and why."""
        answer = await self.post(traces(*spans, **resource))
        assert answer.status_code == 200, answer.content
        assert answer.headers["content-type"] == self.content_type
        return self.partial_success(answer)

    def partial_success(self, answer: httpx.Response) -> tuple[int, str]:
        if self.content_type == JSON:
            said = answer.json().get("partialSuccess", {})
            return int(said.get("rejectedSpans", 0)), said.get("errorMessage", "")
        response = ExportTraceServiceResponse.FromString(answer.content)
        assert response.HasField("partial_success") == bool(answer.content)
        return response.partial_success.rejected_spans, response.partial_success.error_message

    def status(self, answer: httpx.Response) -> tuple[int, str]:
        """The code and message of an error."""
        assert answer.headers["content-type"] == self.content_type
        if self.content_type == JSON:
            return answer.json()["code"], answer.json()["message"]
        said = Status.FromString(answer.content)
        return said.code, said.message

    async def rows(self) -> list[tuple[Any, ...]]:
        snapshot = await self.board.metrics()
        return [
            (row.service, row.route, row.method, row.status_code, row.count)
            for row in snapshot.requests
            if row.service != "opsboard"
        ]

    async def kept(self) -> int:
        return sum(row[-1] for row in await self.rows())

    def counted(self) -> dict[str, int]:
        return {
            o: times for (what, o), times in self.board.intake.counts.items() if what == "spans"
        }


@pytest.fixture(params=[PROTOBUF, JSON])
async def sender(request: pytest.FixtureRequest, board: Opsboard) -> AsyncIterator[Sender]:
    app = create_app(board, api_token=TOKEN, read_token=None, version="0")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Sender(board, client, request.param)


async def test_server_spans_become_samples(sender: Sender) -> None:
    stable = span(
        2,
        http__method=None,
        http__status_code=None,
        said={"http.request.method": "POST", "http.response.status_code": 201},
    )
    assert await sender.send(span(1, ms=5), stable) == (0, "")
    assert await sender.rows() == [
        ("shop", "/cart/{id}", "GET", 200, 1),
        ("shop", "/cart/{id}", "POST", 201, 1),
    ]
    (row, *_) = (await sender.board.metrics(service="shop")).requests
    assert row.max_ms == 5


async def test_the_same_attributes_again_and_others_among_them(sender: Sender) -> None:
    for first in (1, 101):
        spans = [
            span(
                first + n,
                route=[None, "/a", "/b"][n % 3],
                http__status_code=[200, "404"][n % 2],
                net__peer__port=n,
            )
            for n in range(60)
        ]
        await sender.send(*spans)
    assert await sender.rows() == [
        ("shop", route, "GET", status, 20)
        for route in ("(unmatched)", "/a", "/b")
        for status in (200, 404)
    ]


async def test_a_service_without_a_name(sender: Sender) -> None:
    await sender.send(span(1), service__name="")
    assert await sender.rows() == [("unknown_service", "/cart/{id}", "GET", 200, 1)]


async def test_what_served_no_http_request_is_counted_as_not_kept(sender: Sender) -> None:
    spans = [
        span(1, kind=Span.SPAN_KIND_CLIENT),
        span(2, kind=Span.SPAN_KIND_INTERNAL),
        span(3, kind=Span.SPAN_KIND_UNSPECIFIED),
        span(4, http__method=None, http__status_code=None, rpc__system="grpc"),
        span(5),
    ]
    assert await sender.send(*spans) == (0, "")
    assert await sender.kept() == 1
    assert sender.counted() == {"kept": 1, "not kept": 4}
    ready = (await sender.client.get("/readyz")).json()["checks"]["opentelemetry"]
    assert ready == {"ok": True, "detail": "spans: 1 kept, 4 not kept"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (span(9, end=START_NS - 400 * DAY), "must not end before"),
        (span(9, end=START_NS + 400 * DAY), "at most a day ahead"),
        (span(9, end=2**64 - 1), "at most a day ahead"),
        (span(9, ms=90_000_000), "must last at most a day"),
        (span(9, end=0), "must have an end"),
        (span(9, ms=-5), "must not end before it starts"),
        (span(9, route="/" + "a" * 10_000), "http.route must be"),
        (span(9, http__status_code=7), "http.response.status_code must be"),
        (Span(kind=Span.SPAN_KIND_SERVER, attributes=span(1).attributes), "a trace id"),
    ],
)
async def test_a_bad_span_is_rejected_and_the_others_are_kept(
    sender: Sender, bad: Span, reason: str
) -> None:
    count, said = await sender.send(span(1), bad, span(2))
    assert count == 1
    assert reason in said
    assert await sender.kept() == 2
    assert sender.counted() == {"kept": 2, "rejected": 1}


async def test_a_resource_that_names_no_service_right_rejects_all_it_has(sender: Sender) -> None:
    count, said = await sender.send(span(1), span(2), service__name="s" * 81)
    assert count == 2
    assert "service.name must be" in said


async def test_a_span_sent_twice_counts_once(sender: Sender) -> None:
    await sender.send(span(1), span(2), span(1))
    await sender.send(span(2), span(3))
    await sender.send(span(1), span(2), span(3))
    assert await sender.kept() == 3
    assert sender.counted() == {"kept": 3, "resent": 5}


async def test_a_request_sent_twice_at_once_counts_once(sender: Sender) -> None:
    request = traces(*map(span, range(1, 50)))
    answers = await asyncio.gather(*[sender.post(request) for _ in range(4)])
    assert [answer.status_code for answer in answers] == [200] * 4
    assert await sender.kept() == 49


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_a_request_resent_to_a_restarted_server_counts_once(
    tmp_path: Path, clock: ManualClock, content_type: str
) -> None:
    request = traces(span(1), span(2))
    for _ in range(2):
        async with restarted(tmp_path / "ops.db", clock, content_type) as sender:
            assert (await sender.post(request)).status_code == 200
            assert await sender.kept() == 2


@asynccontextmanager
async def restarted(store: Path, clock: ManualClock, content_type: str) -> AsyncIterator[Sender]:
    """A server that has only the file to know from what came before."""
    board = Opsboard(SqliteStore(store, clock), clock, CountingIds())
    async with board:
        app = create_app(board, api_token=TOKEN, read_token=None, version="0")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Sender(board, client, content_type)


async def test_spans_resent_in_another_encoding_to_a_restarted_server_count_once(
    tmp_path: Path, clock: ManualClock
) -> None:
    for content_type in (PROTOBUF, JSON):
        async with restarted(tmp_path / "ops.db", clock, content_type) as sender:
            assert await sender.send(span(1), span(2)) == (0, "")
            assert await sender.kept() == 2


async def test_exceptions_without_server_spans_are_told_apart_after_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    for number in (1, 2, 2):
        async with restarted(tmp_path / "ops.db", clock, PROTOBUF) as sender:
            await sender.send(failing(number, kind=Span.SPAN_KIND_INTERNAL))
            said = [event["meta"]["span_id"] for event in await events(sender)]
            assert said == [f"{n:016x}" for n in range(number, 0, -1)]


@pytest.mark.parametrize("error", [Overloaded("too much"), StoreUnavailable("the disk is full")])
async def test_what_can_not_be_stored_is_not_acknowledged_and_may_be_sent_again(
    sender: Sender, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise error

    request = traces(span(1))
    with monkeypatch.context() as broken:
        broken.setattr(sender.board.store.journal, "append", fail)
        answer = await sender.post(request)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert sender.status(answer) == (14, str(error))
    assert (await sender.post(request)).status_code == 200
    assert await sender.kept() == 1


def failing(number: int, *, kind: Any = Span.SPAN_KIND_SERVER, **more: Any) -> Span:
    """A span on which an exception was recorded."""
    made = span(number, kind=kind, http__status_code=500)
    said = {
        "exception.type": "ValueError",
        "exception.message": "no such size",
        "exception.stacktrace": "Traceback ...",
    }
    event = made.events.add(name="exception", time_unix_nano=START_NS - 1_500_000_000)
    event.attributes.extend(attributes(said | more))
    made.events.add(name="something else")
    return made


async def events(sender: Sender) -> list[Any]:
    found: list[Any] = (await sender.client.get("/events")).json()
    return found


async def test_a_recorded_exception_becomes_an_event(sender: Sender) -> None:
    await sender.send(failing(7, **{"exception.escaped": "False"}))
    (event,) = await events(sender)
    assert (event["level"], event["type"], event["service"]) == ("ERROR", "EXCEPTION", "shop")
    assert event["message"] == "ValueError: no such size"
    assert event["meta"] == {
        "type": "EXCEPTION",
        "exception.type": "ValueError",
        "exception.message": "no such size",
        "exception.stacktrace": "Traceback ...",
        "exception.escaped": "False",
        "http.route": "/cart/{id}",
        "http.request.method": "GET",
        "trace_id": ids(7)["trace_id"].hex(),
        "span_id": ids(7)["span_id"].hex(),
        "time": "2026-01-31T08:59:58.500Z",
    }
    assert await sender.kept() == 1


async def test_an_exception_that_passes_through_spans_of_a_trace_is_one(sender: Sender) -> None:
    inner, outer = failing(7, kind=Span.SPAN_KIND_INTERNAL), failing(8)
    outer.trace_id = inner.trace_id
    await sender.send(inner, outer)
    await sender.send(inner, failing(9))
    newest, first = await events(sender)
    assert first["meta"]["span_id"] == inner.span_id.hex()
    assert first["meta"]["http.route"] == "/cart/{id}"
    assert newest["meta"]["span_id"] == ids(9)["span_id"].hex()


async def test_where_samples_are_kept_and_exceptions_are_not_a_retry_doubles_nothing(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = sender.board.store.journal
    append = journal.append

    async def no_events(stream: Stream, *rest: Any) -> Any:
        if stream is Stream.EVENTS:
            raise StoreUnavailable("the disk is full")
        return await append(stream, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(journal, "append", no_events)
        assert (await sender.post(traces(failing(1), span(2)))).status_code == 503
    assert await sender.send(span(3), failing(1), span(2)) == (0, "")
    assert await sender.kept() == 3
    assert len(await events(sender)) == 1


async def test_bad_data_is_a_400_and_nothing_is_kept(sender: Sender) -> None:
    body = encoded(traces(span(1), span(2)), sender.content_type)
    for bad in (body[:-7], body[:40], b"\xff" * 30):
        answer = await sender.post(bad)
        assert answer.status_code == 400
        code, said = sender.status(answer)
        assert code == 3
        assert "is no OTLP in" in said
    assert await sender.kept() == 0


@pytest.mark.parametrize("sender", [JSON], indirect=True)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"resourceSpans":' * 100_000,
        b'{"resourceSpans":[{"resource":' + b"[" * 1_000_000,
        BAD_TIME % b'"startTimeUnixNano":"x"',
        BAD_TIME % b'"endTimeUnixNano":-1',
        BAD_TIME % b'"endTimeUnixNano":"32503680000000000000"',
        BAD_TIME % b'"endTimeUnixNano":[]',
        b"\xff\xfe",
        b"null",
    ],
)
async def test_bad_json_is_a_400(sender: Sender, body: bytes) -> None:
    answer = await sender.post(body)
    assert answer.status_code == 400
    assert sender.status(answer)[0] == 3


@pytest.mark.parametrize("sender", [JSON], indirect=True)
async def test_json_as_senders_write_it(sender: Sender) -> None:
    def said(method: bytes, number: int) -> bytes:
        return b"""{"resourceSpans": [{"schemaUrl": "s", "resource": null, "scopeSpans": [
            {"scope": null, "unknown": [1], "spans": [{
             "traceId": "%032X", "spanId": "%016x", "kind": "SPAN_KIND_SERVER",
             "parentSpanId": null,
             "startTimeUnixNano": 1769849999999000000, "endTimeUnixNano": "1769850000000000000",
             "events": null, "attributes": [
              {"value": {"stringValue": "%b"}, "key": "\\u0068ttp.method"},
              {"key": "http.status_code", "value": {"intValue": "204"}, "unknown": 1}]}]}, {}]},
            {}]}""" % (number, number, method)

    for number, method in enumerate([b"GET", b"PUT"], 1):
        assert sender.partial_success(await sender.post(said(method, number))) == (0, "")
    assert await sender.rows() == [
        ("unknown_service", "(unmatched)", method, 204, 1) for method in ("GET", "PUT")
    ]


@pytest.mark.parametrize("sender", [JSON], indirect=True)
@pytest.mark.parametrize("bad", ["0" * 30 + "  ", "x" * 32, "1" * 31, ""])
async def test_an_id_that_is_none_rejects_its_span_alone(sender: Sender, bad: str) -> None:
    body = encoded(traces(span(1), span(2), span(3)), JSON)
    said = body.replace(ids(2)["trace_id"].hex().encode(), bad.encode())
    count, reason = sender.partial_success(await sender.post(said))
    assert count == 1
    assert "a trace id of 16 bytes" in reason
    assert await sender.kept() == 2


async def test_what_is_remembered_of_attributes_is_bounded(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_reader, "MAX_KNOWN", 20)
    remembered = []

    def note(reader: SpanReader, *learned: Any) -> None:
        remembered.append(sum(map(len, (each.series for each in reader._resources))))
        remembered.append(len(reader._meanings))
        original(reader, *learned)

    original = SpanReader._remember
    monkeypatch.setattr(SpanReader, "_remember", note)
    for first in (1, 1_001):
        for service in ("shop", "cart"):
            spans = [span(first + n, route=f"/{n}") for n in range(50)]
            for each in spans:
                each.span_id = service.encode() + each.span_id[4:]
            await sender.send(*spans, service__name=service)
    assert {(row[0], row[4]) for row in await sender.rows()} == {("shop", 2), ("cart", 2)}
    assert await sender.kept() == 200
    assert 0 < max(remembered) <= 20


@pytest.mark.parametrize("sender", [PROTOBUF], indirect=True)
async def test_invalid_utf8_in_an_attribute_rejects_its_span_alone(sender: Sender) -> None:
    body = encoded(traces(span(1), span(2, route="/WRONG")), PROTOBUF)
    answer = await sender.post(body.replace(b"/WRONG", b"/WRO\xff\xff"))
    count, said = sender.partial_success(answer)
    assert count == 1
    assert "protobuf" in said
    assert await sender.rows() == [("shop", "/cart/{id}", "GET", 200, 1)]


@pytest.mark.parametrize("sender", [PROTOBUF], indirect=True)
async def test_bytes_changed_at_random_are_never_a_fault_of_the_server(sender: Sender) -> None:
    body = encoded(traces(failing(1), span(2), span(3, kind=Span.SPAN_KIND_CLIENT)), PROTOBUF)
    random = Random(7)
    statuses = Counter[int]()
    for _ in range(400):
        changed = bytearray(body)
        for _ in range(random.randint(1, 4)):
            changed[random.randrange(len(changed))] = random.choice(b"\0\1\n\x12\x7f\x80\xff")
        statuses[(await sender.post(bytes(changed))).status_code] += 1
    assert set(statuses) == {200, 400}


async def test_spans_with_as_many_attributes_in_other_places(sender: Sender) -> None:
    for first in (1, 11):
        spans = [
            span(first, a=1, b=2),
            span(first + 1, http__method=None, a=1, b=2, http__request__method="PUT"),
            span(first + 2, http__status_code=None, a="/x", http__response__status_code=201, b=2),
            span(first + 3, http__status_code=None, a=1, b=2, c=3),
        ]
        assert await sender.send(*spans) == (0, "")
    assert [row[2:] for row in await sender.rows()] == [
        ("GET", 200, 2),
        ("GET", 201, 2),
        ("GET", 499, 2),
        ("PUT", 200, 2),
    ]


async def test_no_token_no_export(sender: Sender) -> None:
    answer = await sender.post(traces(span(1)), x_ops_token="wrong")
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
    assert sender.status(answer)[0] == 16
    answer = await sender.client.post(
        "/v1/traces",
        content=encoded(traces(span(1)), sender.content_type),
        headers={"content-type": sender.content_type, "authorization": f"Bearer {TOKEN}"},
    )
    assert answer.status_code == 200


async def test_without_a_token_configured_nothing_is_taken(
    sender: Sender,
) -> None:
    app = create_app(sender.board, api_token=None, read_token=None, version="0")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await Sender(sender.board, client, sender.content_type).post(traces(span(1)))
    assert answer.status_code == 503
    assert sender.status(answer)[0] == 14


async def test_gzip_is_inflated_and_a_bomb_is_a_413(sender: Sender) -> None:
    body = encoded(traces(span(1)), sender.content_type)
    answer = await sender.post(gzip.compress(body), content_encoding="gzip")
    assert answer.status_code == 200
    assert await sender.kept() == 1
    bomb = gzip.compress(bytes(MAX_BODY_BYTES + 1))
    answer = await sender.post(bomb, content_encoding="gzip")
    assert answer.status_code == 413
    assert f"{MAX_BODY_BYTES} bytes" in sender.status(answer)[1]
    assert (await sender.post(bytes(MAX_BODY_BYTES + 1))).status_code == 413
    assert (await sender.post(zlib.compress(b"x")[:-1], content_encoding="gzip")).status_code == 400
    assert (await sender.post(body, content_encoding="br")).status_code == 415


async def test_another_content_type_is_a_415(sender: Sender) -> None:
    answer = await sender.post(b"x", content_type="text/plain")
    assert answer.status_code == 415
    assert json.loads(answer.content)["code"] == 3


async def test_many_routes_count_as_one_beyond_the_limit(
    memory: MemoryStore, clock: ManualClock
) -> None:
    board = Opsboard(memory, clock, CountingIds(), max_series=10)
    async with board:
        app = create_app(board, api_token=TOKEN, read_token=None, version="0")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            sender = Sender(board, client, PROTOBUF)
            await sender.send(*[span(n, route=f"/{n}") for n in range(1, 3_001)])
            rows = await sender.rows()
    assert len(rows) == 11
    assert ("shop", "(other)", "GET", 200, 2_990) in rows


async def test_a_large_request_is_cut_into_entries(sender: Sender) -> None:
    await sender.send(*map(span, range(1, 5_001)))
    assert len(await entries(sender.board.store.journal, Stream.SAMPLES)) == 2
    assert await sender.kept() == 5_000
