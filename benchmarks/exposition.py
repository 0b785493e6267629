"""A scrape of 20,000 series: cold, with few changes, unchanged; against prometheus_client."""

import gc
import gzip
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
from opsboard.adapters.http.exposition import Form
from opsboard.adapters.http.exposition.gzip_parts import gzip_file
from opsboard.adapters.http.exposition.page import Page
from opsboard.adapters.sqlite.short_turns import SECONDS as SWITCH_SECONDS
from opsboard.domain.classic_buckets import REQUEST_BOUNDS_SECONDS
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import Ints, SeriesKey
from opsboard.domain.series import SeriesSeen, SeriesTable
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from .report import Bar, print_table, progress

SERIES = 20_000
SAMPLES = 2_000_000
CHANGED = 20
MAX_MS = 150.0
MAX_UNCHANGED_MS = 5.0
_LABELS = ("service_name", "http_route", "http_request_method", "http_response_status_code")
_STATUS_CODES = (200, 201, 404, 422, 500)


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    rounds = 3 if quick else 7
    sys.setswitchinterval(SWITCH_SECONDS)  # as the server has it
    random = np.random.default_rng(1)
    table = SeriesTable([SeriesSeen(_key(number), 0, 0) for number in range(SERIES)])
    rollups = _folded(random.integers(0, SERIES, SAMPLES), random)
    few = Rollups.merged([rollups, _folded(random.integers(0, SERIES, CHANGED), random)])
    rows, bars = [], []
    for form in (Form.TEXT, Form.PROTOBUF):
        progress(f"{form.name.lower()}, {rounds} rounds")
        cold, changed, unchanged, size, compressed = _scrapes(form, rollups, few, table, rounds)
        name = f"opsboard, {form.name.lower()}, gzip"
        figures = [f"{each:.1f}" for each in (cold, changed, unchanged)]
        rows.append([name, *figures, f"{size / 1e6:.1f}", f"{compressed / 1e6:.2f}"])
        bars += [
            Bar(f"scrape of 20,000 series, {form.name.lower()}, cold", cold, MAX_MS, unit=" ms"),
            Bar(
                f"scrape of 20,000 series, {form.name.lower()}, unchanged",
                unchanged,
                MAX_UNCHANGED_MS,
                unit=" ms",
            ),
        ]
    progress("prometheus_client")
    latest, ms, size, compressed = _peer(random, 1 if quick else 3)
    rows.append(
        ["prometheus_client, text, gzip 9", *[f"{ms:.0f}"] * 3, f"{size / 1e6:.1f}",
         f"{compressed / 1e6:.2f}"]
    )  # fmt: skip
    for row in rows:
        row.append(f"{latest / float(row[1]):.1f}")
    print_table(
        f"A scrape of {SERIES:,} series, {CHANGED} of them changed: medians in ms",
        ["", "cold", "few changed", "unchanged", "MB", "MB sent", "generate_latest / cold"],
        rows,
    )
    return bars


def _scrapes(
    form: Form, rollups: Rollups, few: Rollups, table: SeriesTable, rounds: int
) -> tuple[float, float, float, int, int]:
    """Cold, with few changes, unchanged (ms); the size, and the size compressed."""
    times: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        gc.collect()
        page = Page(form.encoder())
        cold, _ = _timed(partial(_scrape, page, rollups, table))
        changed, _ = _timed(partial(_scrape, page, few, table))
        unchanged, file = _timed(partial(_scrape, page, few, table))
        times.append((cold, changed, unchanged))
    cold, changed, unchanged = (median(column) for column in zip(*times, strict=True))
    return cold, changed, unchanged, len(gzip.decompress(file)), len(file)


def _scrape(page: Page, rollups: Rollups, table: SeriesTable) -> bytes:
    return gzip_file(page.parts(rollups, table, ()))


def _peer(random: np.random.Generator, rounds: int) -> tuple[float, float, int, int]:
    """The same series in prometheus_client: ms of `generate_latest`, and with gzip; the sizes.

    Its answer is made anew each time.
    """
    registry = CollectorRegistry()
    histogram = Histogram(
        "http_server_request_duration_seconds",
        "Duration of HTTP server requests.",
        _LABELS,
        registry=registry,
        buckets=REQUEST_BOUNDS_SECONDS,
    )
    for number in range(SERIES):
        key = _key(number)
        labels = (key.service, key.route, key.method, str(key.status_code))
        for latency_ns in _latencies(5, random).tolist():
            histogram.labels(*labels).observe(latency_ns / 1e9)
    times, compressed = [], []
    for _ in range(rounds):
        ms, text = _timed(partial(generate_latest, registry))
        compressing, file = _timed(partial(gzip.compress, text))
        times.append(ms)
        compressed.append(ms + compressing)
    return median(times), median(compressed), len(text), len(file)


def _timed(work: Callable[[], bytes]) -> tuple[float, bytes]:
    started = time.perf_counter()
    done = work()
    return 1e3 * (time.perf_counter() - started), done


def _folded(series: Ints, random: np.random.Generator) -> Rollups:
    return Rollups.of(series, _latencies(len(series), random))


def _latencies(count: int, random: np.random.Generator) -> Ints:
    """Log-normal, around 20 ms."""
    logs = random.standard_normal(count) * 0.8 + np.log(20e6)
    latencies: Ints = np.exp(logs).astype(np.int64)
    return latencies


def _key(number: int) -> SeriesKey:
    route = f"/api/v1/things{number // len(_STATUS_CODES)}/{{id}}/parts"
    return SeriesKey(
        f"service{number % 5}", route, "GET", _STATUS_CODES[number % len(_STATUS_CODES)]
    )
