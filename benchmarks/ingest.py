"""Durable ingest over HTTP, into a server process on a core of its own."""

import gzip
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import zstandard
from opsboard.adapters.http.otlp.encoding import Encoding
from opsboard.adapters.http.sample_bodies import LINES, json_form, read_samples
from opsboard.domain.instant import NS_PER_MS, format_ms

from .load import Request, post_request, run_for
from .otlp import SPANS, FreshSpans, parse
from .processes import TOKEN, Server, opsboard_server
from .report import Bar, interleaved, print_table, progress
from .traffic import Traffic

BATCH = 1_000
CONNECTIONS = 8
NDJSON = "application/x-ndjson"

MIN_RATE = 300_000
MIN_SPANS = 150_000
MIN_OF_DECODING = 0.15

WARM_UP_SECONDS = 0.5
DECODE_SECONDS = 0.3
CATCH_UP_SECONDS = 60.0

_BEHIND = re.compile(r"(\d+) entries behind")


@dataclass(frozen=True)
class Sender:
    """One way in: a request that is sent over and over, and what it takes to decode its body."""

    name: str
    items: int
    request: Request
    decode: Callable[[], Any]
    min_rate: float


@dataclass(frozen=True)
class Outcome:
    """Items a second: durable, durable and folded, and decoded by themselves.

    `of_cpu` are those for each second of processor time that the server took, whoever else wanted
    the core.
    """

    durable: float
    folded: float
    of_cpu: float
    decoded: float
    p99_ms: float


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds, seconds = (3, 1.0) if quick else (7, 2.0)
    senders = [*_senders(), *map(_sender_of_spans, Encoding)]
    with server_on_its_own_core() as server:
        outcomes = _measure_all(server, senders, rounds, seconds)
    print_table(
        f"Ingest over HTTP: {rounds} rounds of {seconds:g} s, {CONNECTIONS} connections, medians",
        ["", "durable/s", "and folded/s", "a CPU second", "decoding alone/s", "of it", "p99 ms"],
        [_row(sender.name, outcomes[sender.name]) for sender in senders],
    )
    return [
        *(
            Bar(
                f"samples/s, durable and folded: {sender.name}",
                outcomes[sender.name].folded,
                sender.min_rate,
                at_least=True,
            )
            for sender in senders
        ),
        Bar(
            f"samples/s / decoding alone: {senders[0].name}",
            outcomes[senders[0].name].of_cpu / outcomes[senders[0].name].decoded,
            MIN_OF_DECODING,
            at_least=True,
        ),
    ]


def _row(name: str, seen: Outcome) -> Sequence[str]:
    rates = (seen.durable, seen.folded, seen.of_cpu, seen.decoded)
    ratio = f"{seen.of_cpu / seen.decoded:.2f}"
    return [name, *(f"{rate:,.0f}" for rate in rates), ratio, f"{seen.p99_ms:.1f}"]


def _senders() -> Sequence[Sender]:
    now_ms = time.time_ns() // NS_PER_MS
    lines = sample_lines(BATCH, now_ms)
    body = b"\n".join(lines)
    as_list = b"[" + b",".join(lines) + b"]"
    return [
        sample_sender(f"NDJSON, {BATCH:,}", BATCH, body, NDJSON),
        sample_sender(f"JSON, {BATCH:,}", BATCH, as_list, "application/json"),
        sample_sender(f"NDJSON by gzip, {BATCH:,}", BATCH, body, NDJSON, "gzip"),
        sample_sender(f"NDJSON by zstd, {BATCH:,}", BATCH, body, NDJSON, "zstd"),
        sample_sender("NDJSON, 10,000", 10_000, b"\n".join(sample_lines(10_000, now_ms)), NDJSON),
    ]


_COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def sample_sender(
    name: str, items: int, body: bytes, content_type: str, coding: str = ""
) -> Sender:
    """A sender of samples in this body, compressed by `coding` where there is one."""
    headers = {"Content-Type": content_type}
    if coding:
        headers["Content-Encoding"] = coding
    form = LINES if content_type == NDJSON else json_form(body)
    known: dict[tuple[str, str, str, int], int] = dict.fromkeys(
        read_samples(form, body, 0, lambda _: None).new, 0
    )
    request = post_request("/samples", _COMPRESS[coding](body), TOKEN, headers)
    return Sender(name, items, request, lambda: read_samples(form, body, 0, known.get), MIN_RATE)


def _sender_of_spans(encoding: Encoding) -> Sender:
    spans, read = FreshSpans(encoding, TOKEN), parse(encoding)
    name = f"OTLP spans, {encoding.name.lower()}, {SPANS}"
    return Sender(name, SPANS, spans, lambda: read(spans.body), MIN_SPANS)


def sample_lines(count: int, now_ms: int) -> Sequence[bytes]:
    """Requests of the last seconds, to 200 routes of 5 services."""
    batch = next(islice(Traffic(100_000).chunks(count), 1))
    first = int(batch.ended_at_ms[0])
    return [
        json.dumps(
            {
                "route": sample.series.route,
                "method": sample.series.method,
                "status_code": sample.series.status_code,
                "latency_ms": sample.latency_ns / NS_PER_MS,
                "service": sample.series.service,
                "ts": format_ms(now_ms + (sample.ended_at // NS_PER_MS - first) % 1_000),
            },
            separators=(",", ":"),
        ).encode()
        for sample in batch.samples()
    ]


@contextmanager
def server_on_its_own_core() -> Iterator[Server]:
    """The server on the first core that this process may use, this process on the others."""
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, cores[:1])
        with TemporaryDirectory() as folder, opsboard_server(Path(folder)) as server:
            os.sched_setaffinity(0, cores[1:] or cores)
            yield server
    finally:
        os.sched_setaffinity(0, cores)


def _measure_all(
    server: Server, senders: Sequence[Sender], rounds: int, seconds: float
) -> Mapping[str, Outcome]:
    seen: dict[str, list[Outcome]] = {sender.name: [] for sender in senders}
    for sender in senders:
        run_for(WARM_UP_SECONDS, server.port, sender.request, CONNECTIONS)
    catch_up(server)
    for number, sender in interleaved(senders, rounds):
        progress(f"ingest, round {number + 1} of {rounds}: {sender.name}")
        seen[sender.name].append(measure(server, sender, seconds))
    return {
        name: Outcome(
            median(each.durable for each in of_name),
            median(each.folded for each in of_name),
            median(each.of_cpu for each in of_name),
            median(each.decoded for each in of_name),
            median(each.p99_ms for each in of_name),
        )
        for name, of_name in seen.items()
    }


def measure(server: Server, sender: Sender, seconds: float) -> Outcome:
    """Send for so many seconds, and wait until all is folded."""
    started, cpu_before = time.perf_counter(), server.cpu_seconds()
    load = run_for(seconds, server.port, sender.request, CONNECTIONS)
    catch_up(server)
    items = len(load.latencies) * sender.items
    return Outcome(
        items / load.seconds,
        items / (time.perf_counter() - started),
        items / (server.cpu_seconds() - cpu_before),
        _decoded_a_second(sender),
        load.percentile(99),
    )


def _decoded_a_second(sender: Sender) -> float:
    """Also for each second of processor time."""
    started, times = time.process_time(), 0
    while time.process_time() - started < DECODE_SECONDS:
        sender.decode()
        times += 1
    return times * sender.items / (time.process_time() - started)


def catch_up(server: Server) -> None:
    """Wait until every sample is folded: that work is part of taking it in."""
    started = time.perf_counter()
    while time.perf_counter() - started < CATCH_UP_SECONDS:
        detail = json.loads(server.get("/readyz"))["checks"]["rollups"]["detail"]
        behind = _BEHIND.match(detail)
        if behind is not None and int(behind[1]) == 0:
            return
        time.sleep(0.005)
    raise RuntimeError(f"samples are not folded after {CATCH_UP_SECONDS:.0f} s")
