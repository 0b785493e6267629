"""A real Prometheus scrapes a running server, and is asked for what it got."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import opsboard
import pytest
from opsboard.domain.sample import RequestSample, SeriesKey

from .. import patience
from . import plain_http
from .ports import free_port
from .server import Server, serving

T = TypeVar("T")

ROUTE = "/cart/{id}"
LATENCIES_MS = [1.01**n for n in range(900)]
DURATION = "http_server_request_duration_seconds"
HOSTILE = [
    'a"b',
    "a\\nb",
    "a\nb",
    "ends in \\",
    '",le="1"} 5\n# HELP x y',
    "\x01 and \r",
    "\u202e\U0001f600",
]

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="there is no prometheus on the path"
)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool on the path"
)


def samples() -> Iterator[RequestSample]:
    now = time.time_ns()
    for ms in LATENCIES_MS:
        yield RequestSample(SeriesKey("shop", ROUTE, "GET", 200), int(ms * 1e6), now)
    for route in HOSTILE:
        yield RequestSample(SeriesKey("hostile", route, "GET", 500), 1_000_000, now)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = f"sqlite:///{tmp_path_factory.mktemp('filled') / 'ops.db'}"

    async def fill() -> None:
        async with opsboard.open(store) as board:
            await board.record_samples(list(samples()))

    asyncio.run(fill())
    with serving(store) as server:
        server.post_event(level="WARN", type="AUDIT")
        yield server


class Prometheus:
    """A running one, and questions to it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, query: str) -> list[Any]:
        result: list[Any] = self._get("/query", query=query)["result"]
        return result

    def _get(self, path: str, **parameters: str) -> Any:
        answer = self._client.get(path, params=parameters)
        answer.raise_for_status()  # while it starts, it answers 503
        return answer.json()["data"]

    def value(self, query: str) -> float:
        """The only value that is found, as soon as there is one."""
        found = eventually(lambda: self.ask(query))
        assert len(found) == 1, found
        return float(found[0]["value"][1])

    def target(self) -> Mapping[str, Any]:
        """The one that is scraped, after the first scrape."""

        def scraped() -> Any:
            targets = self._get("/targets")["activeTargets"]
            return next((each for each in targets if each["health"] != "unknown"), None)

        target: Mapping[str, Any] = eventually(scraped)
        return target


def eventually(look: Callable[[], T]) -> T:
    """What is found, once there is something."""

    def answered() -> T | None:
        with suppress(httpx.HTTPError):  # while it starts
            return look()
        return None

    found = patience.eventually(answered)
    assert found is not None
    return found


@contextmanager
def scraping(server: Server, folder: Path, *flags: str) -> Iterator[Prometheus]:
    port = free_port()
    config = folder / "prometheus.yml"
    jobs = [{"job_name": "opsboard", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}]
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    with subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}/api/v1"
            with plain_http.client(url) as client:
                yield Prometheus(client)
        finally:
            process.kill()


def check_what_every_format_holds(prometheus: Prometheus, count: str) -> None:
    target = prometheus.target()
    assert (target["health"], target["lastError"]) == ("up", "")
    assert prometheus.value('opsboard_events_total{level="WARN",type="AUDIT"}') == 1
    assert prometheus.value("opsboard_start_time_seconds") == pytest.approx(time.time(), abs=600)
    assert prometheus.value("opsboard_store_size_bytes") > 4096
    hostile = eventually(lambda: prometheus.ask(f'{count}{{service_name="hostile"}}'))
    assert sorted(found["metric"]["http_route"] for found in hostile) == sorted(HOSTILE)
    assert {found["metric"]["http_response_status_code"] for found in hostile} == {"500"}


@needs_prometheus
def test_classic_histograms(filled: Server, tmp_path: Path) -> None:
    with scraping(filled, tmp_path) as prometheus:
        check_what_every_format_holds(prometheus, f"{DURATION}_count")
        of_route = f'{{http_route="{ROUTE}"}}'
        assert prometheus.value(f"{DURATION}_count{of_route}") == len(LATENCIES_MS)
        total = sum(LATENCIES_MS) / 1e3
        assert prometheus.value(f"{DURATION}_sum{of_route}") == pytest.approx(total)
        upto = prometheus.value(f'{DURATION}_bucket{{http_route="{ROUTE}",le="0.1"}}')
        assert upto == pytest.approx(sum(ms <= 100 for ms in LATENCIES_MS), abs=2)
        median = prometheus.value(f"histogram_quantile(0.5, {DURATION}_bucket{of_route})")
        assert 0.075 <= median <= 0.1  # the bucket in which it is


@needs_prometheus
def test_native_histograms(filled: Server, tmp_path: Path) -> None:
    with scraping(filled, tmp_path, "--enable-feature=native-histograms") as prometheus:
        check_what_every_format_holds(prometheus, DURATION)
        of_route = f'{DURATION}{{http_route="{ROUTE}"}}'
        assert prometheus.value(f"histogram_count({of_route})") == len(LATENCIES_MS)
        total = sum(LATENCIES_MS) / 1e3
        assert prometheus.value(f"histogram_sum({of_route})") == pytest.approx(total)
        for q in (0.25, 0.5, 0.95, 0.99):
            exact = sorted(LATENCIES_MS)[round(q * len(LATENCIES_MS)) - 1] / 1e3
            found = prometheus.value(f"histogram_quantile({q}, {of_route})")
            assert found == pytest.approx(exact, rel=0.022)
        assert prometheus.ask(f"{DURATION}_bucket") == []
        commits = prometheus.value("histogram_count(opsboard_store_commit_duration_seconds)")
        assert commits >= 1


@needs_promtool
@pytest.mark.parametrize("query", ["", "?service=hostile"])
def test_promtool_finds_nothing_to_say(filled: Server, query: str) -> None:
    text = filled.client.get(f"/metrics{query}", headers={"Accept": "text/plain"}).content
    ended = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
