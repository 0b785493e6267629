"""`POST /v1/logs`, in both encodings."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opsboard.adapters.http.app import create_app
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnavailable
from opsboard.domain.entry import Stream

from ..fakes import CountingIds, ManualClock, entries
from .otlp import JSON, PROTOBUF, encoded, ids, logs, record
from .server import TOKEN


class Sender:
    """An exporter of logs."""

    def __init__(self, board: Opsboard, client: httpx.AsyncClient, content_type: str) -> None:
        self.board = board
        self.client = client
        self.content_type = content_type

    async def post(self, body: bytes | Message) -> httpx.Response:
        content = encoded(body, self.content_type) if isinstance(body, Message) else body
        headers = {"content-type": self.content_type, "x-ops-token": TOKEN}
        return await self.client.post("/v1/logs", content=content, headers=headers)

    async def send(self, body: bytes | Message) -> tuple[int, str]:
        """Post records; how many were rejected, and why."""
        answer = await self.post(body)
        assert answer.status_code == 200, answer.content
        if self.content_type == JSON:
            said = answer.json().get("partialSuccess", {})
            return int(said.get("rejectedLogRecords", 0)), said.get("errorMessage", "")
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        return partial.rejected_log_records, partial.error_message

    async def events(self) -> list[Any]:
        """Oldest first."""
        found: list[Any] = (await self.client.get("/events?limit=500")).json()
        return found[::-1]


def client_of(board: Opsboard) -> httpx.AsyncClient:
    app = create_app(board, api_token=TOKEN, read_token=None, version="0")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture(params=[PROTOBUF, JSON])
async def sender(request: pytest.FixtureRequest, board: Opsboard) -> AsyncIterator[Sender]:
    async with client_of(board) as client:
        yield Sender(board, client, request.param)


async def test_log_records_become_events(sender: Sender) -> None:
    spoken = record(
        "card refused", severity=17, text="ERROR", said={"cart": 7, "tags": ["a", {"b": 1.5}]}
    )
    spoken.trace_id, spoken.span_id = ids(1).values()
    resource = {"service.version": "1.4", "deployment.environment.name": "prod"}
    request = logs(spoken, record({"ok": True}), scope="shop.pay", resource=resource)
    assert await sender.send(request) == (0, "")
    error, info, version = await sender.events()
    assert version["type"] == "VERSION"
    assert (error["id"], error["level"], error["type"]) == (1, "ERROR", "LOG")
    assert (error["service"], error["message"]) == ("shop", "card refused")
    assert error["ts"] == "2026-01-31T09:00:00.000Z"
    assert error["meta"] == {
        "type": "LOG",
        "trace_id": ids(1)["trace_id"].hex(),
        "span_id": ids(1)["span_id"].hex(),
        "time": "2026-01-31T09:00:00.000Z",
        "severity_text": "ERROR",
        "service.version": "1.4",
        "deployment.environment.name": "prod",
        "otel.scope.name": "shop.pay",
        "cart": 7,
        "tags": ["a", {"b": 1.5}],
    }
    assert (info["level"], info["message"]) == ("INFO", '{"ok":true}')


async def test_without_a_time_the_observed_one_is_kept(sender: Sender) -> None:
    observed = record(time=0)
    observed.observed_time_unix_nano = 1_769_850_001_000_000_000
    await sender.send(logs(observed))
    (event,) = await sender.events()
    assert event["meta"]["time"] == "2026-01-31T09:00:01.000Z"


async def test_a_resent_request_counts_once_and_the_same_said_later_counts_anew(
    sender: Sender,
) -> None:
    for time in (1, 1, 2):
        await sender.send(logs(record(time=time), record("another", time=time)))
    assert len(await sender.events()) == 4
    counts = sender.board.intake.counts
    assert counts["log records", "kept"] == 4
    assert counts["log records", "resent"] == 2


async def test_two_copies_at_once_are_recorded_once(sender: Sender) -> None:
    request = logs(*[record(f"line {n}") for n in range(30)])
    answers = await asyncio.gather(*[sender.post(request) for _ in range(4)])
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [event["message"] for event in await sender.events()] == [f"line {n}" for n in range(30)]


async def test_what_has_no_time_is_recorded_each_time(sender: Sender) -> None:
    for _ in range(2):
        await sender.send(logs(record(), record(time=0)))
    assert len(await sender.events()) == 4


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_a_request_resent_to_a_restarted_server_counts_once(
    tmp_path: Path, clock: ManualClock, content_type: str
) -> None:
    for _ in range(2):
        async with (
            Opsboard(SqliteStore(tmp_path / "ops.db", clock), clock, CountingIds()) as board,
            client_of(board) as client,
        ):
            sender = Sender(board, client, content_type)
            await sender.send(logs(record(), record("another")))
            assert len(await sender.events()) == 2


async def test_an_exception_on_a_record_keeps_its_attributes(sender: Sender) -> None:
    exception = {"exception.type": "KeyError", "exception.message": "'size'"}
    await sender.send(logs(record("it failed", severity=17, said=exception)))
    (event,) = await sender.events()
    assert event["type"] == "EXCEPTION"
    assert exception.items() <= event["meta"].items()


async def test_a_resource_that_names_no_service_right_rejects_all_it_has(sender: Sender) -> None:
    bad = logs(record(), record(), resource={"service.name": "s" * 81})
    bad.resource_logs.extend(logs(record("good")).resource_logs)
    count, said = await sender.send(bad)
    assert count == 2
    assert "service.name must be" in said
    assert [event["message"] for event in await sender.events()] == ["good"]


@pytest.mark.parametrize("sender", [PROTOBUF], indirect=True)
@pytest.mark.parametrize("spoilt", ["WRONG body", "WRONG value", "WRONG level"])
async def test_invalid_utf8_rejects_its_record_alone(sender: Sender, spoilt: str) -> None:
    bad = {"WRONG body": record("WRONG"), "WRONG value": record(said={"name": "WRONG"})}
    body = logs(bad.get(spoilt, record(text="WRONG")), record("good")).SerializeToString()
    count, said = await sender.send(body.replace(b"WRONG", b"WR\xff\xffG"))
    assert count == 1
    assert said
    assert [event["message"] for event in await sender.events()] == ["good"]


@pytest.mark.parametrize("sender", [JSON], indirect=True)
async def test_json_as_senders_write_it(sender: Sender) -> None:
    body = b"""{"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": null, "logRecords": [
        {"severityNumber": "17", "timeUnixNano": 5000000, "observedTimeUnixNano": "7", "flags": 1,
         "body": {"kvlistValue": {"values": [{"key": "n", "value": {"intValue": 7}}, {"key": "x",
          "value": {"doubleValue": "NaN"}}, {"key": "b", "value": {"bytesValue": "aGk="}},
          {"key": "none", "value": {}}, {"key": "nothing"}]}}, "attributes": null},
        {"severityNumber": "SEVERITY_NUMBER_WARN2", "body": null, "eventName": "tick"}]}]}, {}]}"""
    assert await sender.send(body) == (0, "")
    error, warn = await sender.events()
    assert (error["level"], error["service"]) == ("ERROR", "unknown_service")
    assert error["message"] == '{"n":7,"x":"nan","b":"aGk=","none":null,"nothing":null}'
    assert error["meta"]["time"] == "1970-01-01T00:00:00.005Z"
    assert (warn["level"], warn["message"]) == ("WARN", "tick")


@pytest.mark.parametrize(
    "value",
    [b'{"intValue": "x"}', b'{"intValue": "99999999999999999999"}', b'{"doubleValue": "x"}'],
)
@pytest.mark.parametrize("sender", [JSON], indirect=True)
async def test_a_json_value_that_is_none_rejects_its_record(sender: Sender, value: bytes) -> None:
    body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": %b}]}]}]}' % value
    count, _ = await sender.send(body)
    assert count == 1
    assert await sender.events() == []


@pytest.mark.parametrize("sender", [JSON], indirect=True)
@pytest.mark.parametrize("depth", [60, 70, 150])
async def test_a_deep_body_loses_its_depth(sender: Sender, depth: int) -> None:
    nested = b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":%b}]}]}]}' % nested
    answer = await sender.post(body)
    assert answer.status_code == 200
    (event,) = await sender.events()
    assert event["message"].startswith("[[[")


@pytest.mark.parametrize("sender", [JSON], indirect=True)
async def test_a_million_levels_are_a_400(sender: Sender) -> None:
    nested = b'{"arrayValue":{"values":[' * 100_000
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' + nested
    answer = await sender.post(body)
    assert answer.status_code == 400
    assert "nested too deep" in answer.json()["message"]


async def test_what_can_not_be_stored_is_not_acknowledged(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    request = logs(record())
    with monkeypatch.context() as broken:
        broken.setattr(sender.board.store.journal, "append", fail)
        answer = await sender.post(request)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert await sender.send(request) == (0, "")
    assert len(await sender.events()) == 1


async def test_many_records_are_one_append(sender: Sender) -> None:
    await sender.send(logs(*[record(f"line {n}") for n in range(450)]))
    recorded = await entries(sender.board.store.journal, Stream.EVENTS)
    assert len(recorded) == 450
    assert len({each.key for each in recorded}) == 1
