"""VictoriaMetrics and Prometheus, where they are installed.

Neither keeps single requests by habit, yet both can: each series a gauge, each request a sample of
it, and quantiles over its last day. VictoriaMetrics takes them through `/api/v1/import`, Prometheus
through `promtool tsdb create-blocks-from openmetrics`, since its remote write takes no old samples.
"""

import json
import shutil
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from opsboard.domain.sample import SampleBatch, SeriesKey

from .load import HOST
from .peers import QUANTILES, Answer, Latencies, PeerMissing, rows_of
from .traffic import END_MS

NAME = "latency_ms"
START_SECONDS = 30.0
ASK_SECONDS = 600.0

_LABELS = ("service", "route", "method", "status_code")
_END = f"{(END_MS - 1) / 1_000:.3f}"

Samples = Mapping[tuple[Any, ...], tuple[list[float], list[int]]]


class VictoriaMetrics:
    """A running server."""

    def __init__(self, port: int, version: str) -> None:
        """Ask at this port."""
        self.version = version
        self._port = port

    def load(self, chunks: Iterable[SampleBatch]) -> None:
        """See `Peer.load`."""
        for chunk in chunks:
            lines = [
                json.dumps(
                    {
                        "metric": {"__name__": NAME, **_labels(key)},
                        "values": values,
                        "timestamps": timestamps,
                    }
                )
                for key, (values, timestamps) in _by_series([chunk]).items()
            ]
            _request(self._port, "POST", "/api/v1/import", "\n".join(lines))
        _request(self._port, "GET", "/internal/force_flush")
        _request(self._port, "GET", "/internal/resetRollupResultCache")

    def ask(self) -> Answer:
        """See `Peer.ask`."""
        quantiles = ", ".join(map(str, QUANTILES))
        found = [
            *_query(self._port, f'quantiles_over_time("phi", {quantiles}, {NAME}[24h])', nocache=1),
            *_query(self._port, f"count_over_time({NAME}[24h])", nocache=1),
        ]
        answer: dict[SeriesKey, dict[str, float]] = defaultdict(dict)
        for series in found:
            metric = series["metric"]
            answer[_key(metric)][metric.get("phi", "count")] = float(series["value"][1])
        return {key: _latencies([row[name] for name in _NAMES]) for key, row in answer.items()}


_NAMES = ("count", *map(str, QUANTILES))


class Prometheus:
    """A server that is started over blocks made of the samples."""

    def __init__(self, folder: Path, version: str) -> None:
        """Nothing runs before `load`."""
        self.version = version
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def load(self, chunks: Iterable[SampleBatch]) -> None:
        """See `Peer.load`; it takes one sample in a ms, so others of a series go to the next."""
        text, data = self._folder / "samples.txt", self._folder / "data"
        with text.open("w", encoding="utf-8") as file:
            file.write(f"# TYPE {NAME} gauge\n")
            for key, (values, timestamps) in _by_series(chunks).items():
                labels = ",".join(f'{name}="{value}"' for name, value in _labels(key).items())
                last = 0
                for value, timestamp in zip(values, timestamps, strict=True):
                    last = max(timestamp, last + 1)
                    file.write(f"{NAME}{{{labels}}} {value} {last / 1_000:.3f}\n")
            file.write("# EOF\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, data],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self._process = _started(
            [
                "prometheus",
                f"--config.file={_empty(self._folder)}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y",
                "--query.max-samples=1000000000",
                f"--web.listen-address={HOST}:{self._port}",
            ],
            self._port,
            "/-/ready",
        )

    def ask(self) -> Answer:
        """See `Peer.ask`."""
        columns = [f"count_over_time({NAME}[24h])"]
        columns += [f"quantile_over_time({q}, {NAME}[24h])" for q in QUANTILES]
        answer: dict[SeriesKey, list[float]] = defaultdict(list)
        for column in columns:
            for series in _query(self._port, column):
                answer[_key(series["metric"])].append(float(series["value"][1]))
        return {key: _latencies(row) for key, row in answer.items()}

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            _stop(self._process)


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[VictoriaMetrics]:
    """A new server over a folder in `folder`. Raises `PeerMissing`."""
    version = _version("victoria-metrics", "-version")
    port = _free_port()
    process = _started(
        [
            "victoria-metrics",
            f"-storageDataPath={folder / 'victoria'}",
            f"-httpListenAddr={HOST}:{port}",
            "-retentionPeriod=100y",
            f"-search.maxQueryDuration={ASK_SECONDS:.0f}s",
        ],
        port,
        "/health",
    )
    try:
        yield VictoriaMetrics(port, version)
    finally:
        _stop(process)


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """A server to be started over a folder in `folder`. Raises `PeerMissing`."""
    _version("promtool", "--version")
    peer = Prometheus(folder, _version("prometheus", "--version"))
    try:
        yield peer
    finally:
        peer.stop()


def _by_series(chunks: Iterable[SampleBatch]) -> Samples:
    """Latencies in ms and ends of each series."""
    found: dict[tuple[Any, ...], tuple[list[float], list[int]]] = defaultdict(lambda: ([], []))
    for chunk in chunks:
        for *key, latency_ns, ended_at_ms in rows_of(chunk):
            values, timestamps = found[tuple(key)]
            values.append(latency_ns / 1e6)
            timestamps.append(ended_at_ms)
    return found


def _labels(key: Sequence[Any]) -> dict[str, str]:
    return dict(zip(_LABELS, map(str, key), strict=True))


def _key(metric: Mapping[str, str]) -> SeriesKey:
    service, route, method, status_code = (metric[name] for name in _LABELS)
    return SeriesKey(service, route, method, int(status_code))


def _latencies(row: Sequence[float]) -> Latencies:
    count, *quantiles = row
    return Latencies(int(count), *quantiles)


def _query(port: int, query: str, **more: Any) -> Sequence[Mapping[str, Any]]:
    text = urlencode({"query": query, "time": _END, "timeout": f"{ASK_SECONDS:.0f}s", **more})
    result = json.loads(_request(port, "GET", f"/api/v1/query?{text}"))["data"]["result"]
    assert isinstance(result, list)
    return result


def _request(port: int, method: str, path: str, body: str | None = None) -> bytes:
    """The body of the answer. Raises `RuntimeError` for any other answer than a good one."""
    connection = HTTPConnection(HOST, port, timeout=ASK_SECONDS)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status not in {200, 204}:
        raise RuntimeError(f"{path} was answered with {response.status}: {answer[:300]!r}")
    return answer


def _version(program: str, flag: str) -> str:
    if shutil.which(program) is None:
        raise PeerMissing(f"there is no {program} on the path")
    run = subprocess.run([program, flag], check=True, capture_output=True, text=True)
    said = (run.stdout or run.stderr).split()
    return " ".join(said[:3]) or f"{program} of unknown version"


def _started(command: Sequence[str], port: int, path: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.perf_counter() + START_SECONDS
    while time.perf_counter() < end and process.poll() is None:
        try:
            _request(port, "GET", path)
        except (OSError, RuntimeError):
            time.sleep(0.05)
        else:
            return process
    _stop(process)
    raise RuntimeError(f"{command[0]} did not start")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _empty(folder: Path) -> Path:
    config = folder / "prometheus.yml"
    config.write_text("", encoding="utf-8")
    return config


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
