"""How soon `opsboard serve` is ready, and how much memory it holds after many requests."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from .load import get_request, run_count
from .processes import opsboard_server
from .report import Bar, print_table, progress

CONNECTIONS = 64
PARTS = 5

MAX_READY_SECONDS = 1.5
MAX_RESIDENT_MIB = 128.0


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the tables, give the bars."""
    starts, requests = (3, 50_000) if quick else (7, 1_000_000)
    ready = [_ready_seconds(number, starts) for number in range(starts)]
    print_table(
        f"From the start of the process to the first 200 of /livez, {starts} starts",
        ["", "seconds"],
        [
            ["least", f"{min(ready):.2f}"],
            ["median", f"{median(ready):.2f}"],
            ["most", f"{max(ready):.2f}"],
        ],
    )
    resident = _resident_mib(requests)
    return [
        Bar("ready after", median(ready), MAX_READY_SECONDS, unit=" s"),
        Bar(f"memory after {requests} requests", resident, MAX_RESIDENT_MIB, unit=" MiB"),
    ]


def _ready_seconds(number: int, starts: int) -> float:
    progress(f"footprint: start {number + 1} of {starts}")
    with TemporaryDirectory() as folder, opsboard_server(Path(folder)) as server:
        server.get("/livez")
        return time.perf_counter() - server.started_at


def _resident_mib(requests: int) -> float:
    """The memory at the end; that on the way is printed."""
    with TemporaryDirectory() as folder, opsboard_server(Path(folder)) as server:
        server.get("/livez")
        rows, resident = [["0", "", f"{server.resident_mib():.1f}"]], 0.0
        for part in range(1, PARTS + 1):
            progress(f"footprint: requests, part {part} of {PARTS}")
            load = run_count(requests // PARTS, server.port, get_request("/livez"), CONNECTIONS)
            resident = server.resident_mib()
            rows.append([str(part * requests // PARTS), f"{load.rate:.0f}", f"{resident:.1f}"])
    print_table(
        f"Resident memory, GET /livez over {CONNECTIONS} connections",
        ["requests", "requests/s", "MiB"],
        rows,
    )
    return resident
