"""Debian's time-series databases, where they are installed, each with its defaults.

Each writer has a series of its own, and each sample's value is its number.
"""

import json
import shutil
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..load import HOST
from ..peers import PeerMissing
from .subject import WRITERS, Sequenced, all_items

METRIC = "killed"
ASK_SECONDS = 120.0
AHEAD_SECONDS = 3_600
"""A busy writer's timestamps are ahead of the clock: what is asked for has to reach that far."""
_SELECT = "SELECT value FROM killed"


class Prometheus:
    """Prometheus, by remote write."""

    name = "Prometheus, remote write"
    ready_path = "/-/ready"

    def __init__(self, folder: Path, port: int) -> None:
        """Raises `PeerMissing`."""
        self.version = _version("prometheus", "prometheus")
        self._folder = folder
        self._port = port
        self._sequenced = Sequenced(_now_ms())

    def command(self) -> Sequence[str | Path]:
        """See `Subject.command`; to be written to is off by default."""
        config = self._folder / "prometheus.yml"
        config.touch()
        return [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{self._port}",
            "--web.enable-remote-write-receiver",
        ]

    def prepare(self) -> None:
        """See `Subject.prepare`."""

    def request(self, number: int) -> bytes:
        """See `Subject.request`: a `WriteRequest` of prometheus/prompb/remote.proto."""
        labels = {"__name__": METRIC, "writer": str(number % WRITERS)}
        series = b"".join(
            _field(1, _field(1, name.encode()) + _field(2, value.encode()))
            for name, value in labels.items()
        )
        for at_ms, item in zip(self._sequenced.take(number), all_items(number), strict=True):
            series += _field(2, b"\x09" + struct.pack("<d", item) + b"\x10" + _varint(at_ms))
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        return _post("/api/v1/write", _snappy(_field(1, series)), headers)

    def items(self, number: int) -> Sequence[int]:
        """See `Subject.items`."""
        return all_items(number)

    def found(self) -> Counter[int]:
        """See `Subject.found`: all that there is."""
        query = urlencode({"query": f"{METRIC}[1d]", "time": time.time() + AHEAD_SECONDS})
        answer = json.loads(_ask(self._port, "GET", f"/api/v1/query?{query}"))
        found = (value for each in answer["data"]["result"] for _, value in each["values"])
        return Counter(map(int, found))


class VictoriaMetrics:
    """VictoriaMetrics, by its import API."""

    name = "VictoriaMetrics, import"
    ready_path = "/health"

    def __init__(self, folder: Path, port: int) -> None:
        """Raises `PeerMissing`."""
        self.version = _version("victoria-metrics", "victoria-metrics")
        self._folder = folder
        self._port = port
        self._sequenced = Sequenced(_now_ms())

    def command(self) -> Sequence[str | Path]:
        """See `Subject.command`."""
        return [
            "victoria-metrics",
            f"-storageDataPath={self._folder / 'victoria'}",
            f"-httpListenAddr={HOST}:{self._port}",
        ]

    def prepare(self) -> None:
        """See `Subject.prepare`."""

    def request(self, number: int) -> bytes:
        """See `Subject.request`."""
        said = {
            "metric": {"__name__": METRIC, "writer": str(number % WRITERS)},
            "values": list(all_items(number)),
            "timestamps": list(self._sequenced.take(number)),
        }
        return _post("/api/v1/import", json.dumps(said).encode(), {})

    def items(self, number: int) -> Sequence[int]:
        """See `Subject.items`."""
        return all_items(number)

    def found(self) -> Counter[int]:
        """See `Subject.found`: all that there is."""
        _ask(self._port, "GET", "/internal/force_flush")
        asked = urlencode({"match[]": METRIC, "start": 0, "end": time.time() + AHEAD_SECONDS})
        lines = _ask(self._port, "GET", f"/api/v1/export?{asked}").splitlines()
        return Counter(int(value) for line in lines for value in json.loads(line)["values"])


class InfluxDB:
    """InfluxDB, by its line protocol."""

    name = "InfluxDB, line protocol"
    ready_path = "/ping"

    def __init__(self, folder: Path, port: int) -> None:
        """Raises `PeerMissing`."""
        self.version = _version("influxd", "influxdb")
        self._folder = folder
        self._port = port
        self._sequenced = Sequenced(_now_ms())

    def command(self) -> Sequence[str | Path]:
        """See `Subject.command`: only places are configured."""
        data = self._folder / "influxdb"
        config = self._folder / "influxdb.conf"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "{HOST}:0"\n'
            f'[meta]\ndir = "{data / "meta"}"\n'
            f'[data]\ndir = "{data / "data"}"\nwal-dir = "{data / "wal"}"\n'
            f'[http]\nbind-address = "{HOST}:{self._port}"\n',
            encoding="utf-8",
        )
        return ["influxd", "-config", config]

    def prepare(self) -> None:
        """See `Subject.prepare`."""
        self._query("POST", q=f"CREATE DATABASE {METRIC}")

    def request(self, number: int) -> bytes:
        """See `Subject.request`."""
        rows = zip(self._sequenced.take(number), all_items(number), strict=True)
        writer = number % WRITERS
        lines = [f"{METRIC},writer={writer} value={item}i {at_ms}" for at_ms, item in rows]
        return _post(f"/write?db={METRIC}&precision=ms", "\n".join(lines).encode(), {})

    def items(self, number: int) -> Sequence[int]:
        """See `Subject.items`."""
        return all_items(number)

    def found(self) -> Counter[int]:
        """See `Subject.found`: all that there is."""
        (result,) = self._query("GET", db=METRIC, q=_SELECT)["results"]
        return Counter(value for each in result.get("series", ()) for _, value in each["values"])

    def _query(self, method: str, **parameters: str) -> Any:
        return json.loads(_ask(self._port, method, f"/query?{urlencode(parameters)}"))


def _version(program: str, package: str) -> str:
    if shutil.which(program) is None:
        raise PeerMissing(f"there is no {program} on the path")
    asked = ["dpkg-query", "--show", "--showformat=${Version}", package]
    try:
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "not Debian's"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    fields = {"Host": HOST, **headers, "Content-Length": str(len(body))}
    said = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{said}\r\n".encode() + body


def _ask(port: int, method: str, path: str) -> bytes:
    """The body of the answer. Raises `RuntimeError` for any other answer than a good one."""
    connection = HTTPConnection(HOST, port, timeout=ASK_SECONDS)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status not in {200, 204}:
        raise RuntimeError(f"{path} was answered with {response.status}: {body[:300]!r}")
    return body


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf with bytes, text or a message in it."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _snappy(content: bytes) -> bytes:
    """A block of snappy, of up to 64 KiB, in which nothing is compressed: one literal."""
    return _varint(len(content)) + b"\xf4" + struct.pack("<H", len(content) - 1) + content
