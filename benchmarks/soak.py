"""A mixed load for half an hour, and whether anything grows: `python -m benchmarks.soak`.

The load is paced: a server that is asked for the same each second has no reason to hold more in the
last minutes than in those before. What fills up by design does so in the first third: the span ids
of the last ten minutes, the windows that are asked for, the pages and rollups that were read last.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import uvloop
from opsboard.adapters.http.otlp.encoding import Encoding
from opsboard.domain.instant import NS_PER_MS

from .listeners import listening
from .load import HOST, get_request, post_request
from .otlp import SPANS, FreshSpans
from .processes import TOKEN, Server, opsboard_server
from .report import Bar, print_table, progress
from .traffic import Traffic

MINUTES = 30
STREAMS = 20
READING_SECONDS = 60.0
BATCH = 1_000

MAX_MEMORY_GROWTH = 1.05
MAX_MORE_FILES = 4
MAX_MORE_THREADS = 0
MAX_WAL_MIB = 72.0
"""The last resort of the checkpoints is 64 MiB; a commit may be beyond it when it is reached."""
MAX_P99_GROWTH = 2.0
"""A machine that is shared has minutes of its own."""

NDJSON = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Reading:
    """How the server is at one moment, and what its clients saw since the one before."""

    minute: float
    resident_mib: float
    files: int
    threads: int
    wal_mib: float
    store_mib: float
    requests: int
    p99_ms: float
    p99_of_writes_ms: float


@dataclass
class Caller:
    """Sends a request so many times a second over a connection that it keeps."""

    name: str
    a_second: float
    request: Callable[[], bytes]
    items: int = 1
    writes: bool = False
    acknowledged: int = 0
    latencies: list[float] = field(default_factory=list)

    async def run(self, port: int, end: float) -> None:
        """Until `end` (`time.perf_counter`). A slot that was missed is not made up for."""
        reader, writer = await asyncio.open_connection(HOST, port)
        due = time.perf_counter()
        try:
            while (now := time.perf_counter()) < end:
                due = max(due + 1 / self.a_second, now)
                await asyncio.sleep(due - now)
                await self._call(reader, writer)
        finally:
            writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = self.request()
        started = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"http/1.1 200 "):
            raise RuntimeError(f"{self.name} was answered with {head + body!r}")
        self.latencies.append(time.perf_counter() - started)
        self.acknowledged += self.items


async def leave_early(port: int, end: float) -> None:
    """Clients that go away: in the middle of a request, of an answer, and of a stream."""
    while time.perf_counter() < end:
        for sent in (
            _post_event()[:-9],
            get_request("/metrics"),
            get_request("/events/stream"),
        ):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(sent)
            if sent.startswith(b"GET"):
                await reader.read(1)
            writer.close()
        await asyncio.sleep(1)


def _post_event() -> bytes:
    event = {
        "level": "ERROR",
        "type": "SOAK",
        "service": "soak",
        "message": f"order {time.time_ns()} failed",
        "meta": {"exception": {"type": "TimeoutError", "message": "too late"}},
    }
    return post_request("/events", json.dumps(event).encode(), TOKEN)


def _lines() -> bytes:
    """Requests of this moment, whenever they are sent: they do not say when they ended."""
    batch = next(Traffic(10 * BATCH).chunks(BATCH))
    said = (
        {
            "route": sample.series.route,
            "method": sample.series.method,
            "status_code": sample.series.status_code,
            "latency_ms": sample.latency_ns / NS_PER_MS,
            "service": sample.series.service,
        }
        for sample in batch.samples()
    )
    return b"\n".join(json.dumps(each).encode() for each in said)


def callers() -> Sequence[Caller]:
    """What a small team's services send, several times over, and what its pages and scrapes ask."""
    samples = post_request("/samples", _lines(), TOKEN, NDJSON)
    spans = FreshSpans(Encoding.PROTOBUF, TOKEN)
    asked = {
        "/metrics": 2.0,
        "/metrics?last=5m": 1.0,
        "/metrics/series?last=5m": 0.5,
        "/overview?last=5m": 0.5,
        "/events?limit=50": 1.0,
        "/events?q=failed&limit=50": 0.5,
        "/errors": 0.5,
        "/readyz": 1.0,
    }
    return [
        *(Caller("events", 25, _post_event, writes=True) for _ in range(4)),
        *(Caller("samples", 1, lambda: samples, BATCH, writes=True) for _ in range(2)),
        Caller("spans", 0.5, spans, SPANS, writes=True),
        *(Caller(path, rate, partial(get_request, path)) for path, rate in asked.items()),
    ]


async def _load(
    server: Server, folder: Path, minutes: float, every: float
) -> tuple[Sequence[Caller], Sequence[Reading]]:
    sending = callers()
    started = time.perf_counter()
    end = started + minutes * 60
    readings: list[Reading] = []
    async with asyncio.TaskGroup() as group:
        for caller in sending:
            group.create_task(caller.run(server.port, end))
        group.create_task(leave_early(server.port, end))
        while (now := time.perf_counter()) < end:
            await asyncio.sleep(min(every, end - now))
            minute = (time.perf_counter() - started) / 60
            readings.append(_read(server, folder, minute, sending))
            progress("  ".join(_row(readings[-1])))
    return sending, readings


def _read(server: Server, folder: Path, minute: float, sending: Sequence[Caller]) -> Reading:
    process = Path(f"/proc/{server.pid}")
    latencies = [latency for caller in sending for latency in caller.latencies]
    of_writes = [latency for caller in sending if caller.writes for latency in caller.latencies]
    for caller in sending:
        caller.latencies.clear()
    return Reading(
        minute=minute,
        resident_mib=server.resident_mib(),
        files=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        wal_mib=_mib(folder / "ops.db-wal"),
        store_mib=_mib(folder / "ops.db"),
        requests=len(latencies),
        p99_ms=_p99_ms(latencies),
        p99_of_writes_ms=_p99_ms(of_writes),
    )


def _mib(path: Path) -> float:
    return path.stat().st_size / 1024**2


def _p99_ms(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100] * 1_000


def _row(reading: Reading) -> Sequence[str]:
    return [
        f"{reading.minute:.0f}",
        f"{reading.resident_mib:.1f}",
        str(reading.files),
        str(reading.threads),
        f"{reading.wal_mib:.1f}",
        f"{reading.store_mib:.1f}",
        str(reading.requests),
        f"{reading.p99_ms:.1f}",
        f"{reading.p99_of_writes_ms:.1f}",
    ]


def judged(readings: Sequence[Reading]) -> Sequence[Bar]:
    """What may not grow, from the second third of the time to the last. Wants three readings."""
    third = len(readings) // 3
    before, last = readings[third:-third], readings[-third:]

    def middle(of: Callable[[Reading], float], among: Sequence[Reading]) -> float:
        return median(map(of, among))

    def ratio(of: Callable[[Reading], float]) -> float:
        return middle(of, last) / middle(of, before)

    def difference(of: Callable[[Reading], float]) -> float:
        return middle(of, last) - middle(of, before)

    return [
        Bar("memory, last third / the third before", ratio(_resident), MAX_MEMORY_GROWTH),
        Bar("file handles, last third - the third before", difference(_files), MAX_MORE_FILES),
        Bar("threads, last third - the third before", difference(_threads), MAX_MORE_THREADS),
        Bar("write-ahead log, at most", max(r.wal_mib for r in readings), MAX_WAL_MIB, unit=" MiB"),
        Bar("p99 of writes, last third / the third before", ratio(_p99), MAX_P99_GROWTH),
    ]


def _resident(reading: Reading) -> float:
    return reading.resident_mib


def _files(reading: Reading) -> float:
    return reading.files


def _threads(reading: Reading) -> float:
    return reading.threads


def _p99(reading: Reading) -> float:
    return reading.p99_of_writes_ms


def _kept(server: Server, sending: Sequence[Caller]) -> Sequence[Bar]:
    """Whether what was acknowledged is what is there."""
    rows = json.loads(server.get("/metrics"))["requests"]
    samples = sum(row["count"] for row in rows if row["service"] != "opsboard")
    events = json.loads(server.get("/events/summary?type=SOAK"))["by_service"]["soak"]
    sent = dict.fromkeys(("events", "samples", "spans"), 0)
    for caller in sending:
        if caller.writes:
            sent[caller.name] += caller.acknowledged
    missing = sent["samples"] + sent["spans"] - samples
    return [
        Bar(f"of {sent['events']} events that were acknowledged, missing or double",
            abs(sent["events"] - events), 0),
        Bar(f"of {samples} samples and spans, missing or double", abs(missing), 0),
    ]  # fmt: skip


@contextmanager
def _server_with_streams(folder: Path) -> Iterator[Server]:
    with opsboard_server(folder) as server, listening(server.port, STREAMS, reads=True):
        yield server


def run(minutes: float, every: float) -> Sequence[Bar]:
    """Soak for so many minutes, with a reading every so many seconds; print them, give the bars."""
    with TemporaryDirectory() as folder, _server_with_streams(Path(folder)) as server:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sending, readings = runner.run(_load(server, Path(folder), minutes, every))
        kept = _kept(server, sending)
    header = ["minute", "MiB", "files", "threads", "WAL MiB", "store MiB", "requests", "p99 ms"]
    print_table(
        f"A mixed load for {minutes:g} minutes, {STREAMS} streams open",
        [*header, "of writes ms"],
        [_row(reading) for reading in readings],
    )
    return [*judged(readings), *kept]


@click.command()
@click.option("--minutes", default=MINUTES, show_default=True, help="how long")
@click.option("--every", default=READING_SECONDS, show_default=True, help="seconds to a reading")
def main(minutes: int, every: float) -> None:
    """Serve a mixed load, and exit with 1 if memory, handles, threads, log or latencies grow."""
    bars = run(minutes, every)
    click.echo()
    for bar in bars:
        click.echo(bar)
    sys.exit(not all(bar.reached for bar in bars))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.soak")
