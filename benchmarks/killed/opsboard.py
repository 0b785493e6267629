"""opsboard: events, samples and spans, each under a key or in a body that is its own key."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opsboard import __version__
from opsboard.adapters.sqlite.appending import appending_writer
from opsboard.adapters.sqlite.journal import SqliteJournal
from opsboard.adapters.sqlite.reader import Reader
from opsboard.adapters.system import SystemClock
from opsboard.application.growth import Growth
from opsboard.domain.entry import Recorded, Stream
from opsboard.domain.event import OperationalEvent
from opsboard.domain.sample import SampleBatch

from ..load import HOST, post_request
from ..processes import TOKEN
from .subject import STRIDE, all_items

SERVICE = "killed"
_NS = 1_000
"""Of latency for each number: a sample's latency says which it is."""
_COMMAND = "from opsboard.entrypoints.cli import main; main()"


class Opsboard:
    """`opsboard serve` over a SQLite file."""

    name = "opsboard, SQLite"
    version = __version__
    ready_path = "/readyz"

    def __init__(self, folder: Path, port: int) -> None:
        """Its file is `ops.db` in `folder`."""
        self.path = folder / "ops.db"
        self._port = port
        self._read = dict.fromkeys((Stream.EVENTS, Stream.SAMPLES), 0)
        self.event_ids: dict[int, int] = {}
        """Under which id each event is kept, by the number of its request."""

    def command(self) -> Sequence[str | Path]:
        """See `Subject.command`."""
        where = ["--host", HOST, "--port", str(self._port), "--store", f"sqlite:///{self.path}"]
        return [sys.executable, "-c", _COMMAND, "serve", "--api-token", TOKEN, *where]

    def prepare(self) -> None:
        """See `Subject.prepare`."""

    def request(self, number: int) -> bytes:
        """See `Subject.request`: events from every other writer, samples and spans in turn."""
        if _is_event(number):
            event = {"level": "INFO", "type": "OPS", "service": SERVICE, "message": str(number)}
            return post_request("/events", json.dumps(event).encode(), TOKEN, _keyed(number))
        if _is_spans(number):
            headers = {"Content-Type": "application/x-protobuf"}
            return post_request("/v1/traces", _traces(number), TOKEN, headers)
        samples = [
            {
                "route": "/samples",
                "method": "GET",
                "status_code": 200,
                "latency_ms": item * _NS / 1e6,
                "service": SERVICE,
            }
            for item in self.items(number)
        ]
        return post_request("/samples", json.dumps(samples).encode(), TOKEN, _keyed(number))

    def items(self, number: int) -> Sequence[int]:
        """See `Subject.items`; the exception on a span is an event, and comes last."""
        if _is_event(number):
            return [number * STRIDE]
        spans = all_items(number)
        return [*spans, spans.stop] if _is_spans(number) else spans

    def found(self) -> Counter[int]:
        """See `Subject.found`: those in entries that were not read by the last call."""
        return asyncio.run(self._found())

    async def _found(self) -> Counter[int]:
        found: Counter[int] = Counter()
        reader = Reader()
        never_run = appending_writer(self.path, lambda _: None, SystemClock())
        journal = SqliteJournal(SystemClock(), never_run, reader, Growth())
        async with reader.opened(self.path):
            async for recorded in self._new(journal):
                entry = journal.decode(recorded)
                if isinstance(entry, SampleBatch):
                    found.update(_items_of(entry))
                elif isinstance(entry, OperationalEvent):
                    number = int(entry.message.rpartition(" ")[2])
                    found[self.items(number)[-1]] += 1
                    self.event_ids[number] = recorded.number
        return found

    async def _new(self, journal: SqliteJournal) -> AsyncIterator[Recorded]:
        for stream, after in self._read.items():
            async for page in journal.read(stream, after):
                for recorded in page:
                    yield recorded
                self._read[stream] = page[-1].number


def _is_event(number: int) -> bool:
    return number % 2 == 0


def _is_spans(number: int) -> bool:
    return number % 4 == 1


def _keyed(number: int) -> dict[str, str]:
    return {"Content-Type": "application/json", "Idempotency-Key": f"killed {number}"}


def _items_of(batch: SampleBatch) -> Sequence[int]:
    """Those of the samples that were sent: the server has some of its own."""
    return [
        int(latency_ns) // _NS
        for endpoint, latency_ns in zip(batch.endpoint, batch.latency_ns, strict=True)
        if batch.endpoints[endpoint].service == SERVICE
    ]


def _traces(number: int) -> bytes:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    sent.resource.attributes.append(_attribute("service.name", SERVICE))
    end = time.time_ns()
    spans = [_span(item, end) for item in all_items(number)]
    raised = spans[0].events.add(name="exception", time_unix_nano=end)
    raised.attributes.append(_attribute("exception.message", str(number)))
    sent.scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def _span(item: int, end: int) -> Span:
    return Span(
        trace_id=item.to_bytes(16, "big"),
        span_id=item.to_bytes(8, "big"),
        name="GET /spans",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=end - item * _NS,
        end_time_unix_nano=end,
        attributes=[
            _attribute("http.request.method", "GET"),
            _attribute("http.route", "/spans"),
            KeyValue(key="http.response.status_code", value=AnyValue(int_value=200)),
        ],
    )


def _attribute(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value))
