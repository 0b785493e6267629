"""How long writers wait while the commands that look after a store run beside a server."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop
from opsboard.application.board import Opsboard
from opsboard.domain.entry import Stream
from opsboard.domain.exception_event import EventFields

from .engine_store import TrafficClock, open_board, record, run_async, truncate_log
from .load import HOST, Load, post_request
from .processes import COMMAND, TOKEN, opsboard_server
from .report import Bar, interleaved, print_table, progress
from .traffic import Traffic

WRITERS = 8
WRITES_A_SECOND = 200
BATCH = 100
CALM_SECONDS = 5.0
CALM = "nothing beside it"
COMMANDS: dict[str, Sequence[str]] = {
    CALM: (),
    "backup": ("backup", "{folder}/copy-{round}.db"),
    "verify": ("verify",),
    "compact": ("compact",),
    "rebuild": ("rebuild",),
}
MAX_P99_MS = 50.0
SAMPLES_AT_ONCE = EVENTS_AT_ONCE = 1_000

_EVENT = post_request(
    "/events", b'{"level": "INFO", "type": "OPS", "service": "shop", "message": "a write"}', TOKEN
)
_SAMPLE = (
    b'{"route": "/cart/{id}", "method": "GET", "status_code": 200, "latency_ms": 12.4, '
    b'"service": "shop"}'
)
_SAMPLES = post_request("/samples", b"[" + b", ".join([_SAMPLE] * BATCH) + b"]", TOKEN)


def run(quick: bool) -> Sequence[Bar]:
    """Measure over a store of its own, print the table, give the bars."""
    rounds, samples, events = (1, 200_000, 20_000) if quick else (3, 2_000_000, 200_000)
    loads: dict[str, list[Load]] = {name: [] for name in COMMANDS}
    with TemporaryDirectory() as name:
        folder = Path(name) / "store"
        run_async(_fill(folder, samples, events))
        with opsboard_server(folder) as server:
            for number, command in interleaved(list(COMMANDS), rounds):
                progress(f"upkeep, round {number + 1} of {rounds}: {command}")
                beside = _started(folder, COMMANDS[command], number)
                loads[command].append(_written(server.port, beside))
    print_table(
        f"A write until it is durable, {WRITES_A_SECOND} a second, half of them {BATCH} samples, "
        f"over {samples:,} samples and {events:,} events: medians of {rounds} rounds",
        ["beside it", "seconds", "writes", "p50 ms", "p99 ms", "p99.9 ms", "most"],
        [_row(command, of_command) for command, of_command in loads.items()],
    )
    return [
        Bar(f"a write's p99 beside {name}", _percentile(seen, 99), MAX_P99_MS, unit=" ms")
        for name, seen in loads.items()
        if name != CALM
    ]


def _row(name: str, loads: Sequence[Load]) -> Sequence[str]:
    figures = [_percentile(loads, percent) for percent in (50, 99, 99.9, 100)]
    seconds = median(load.seconds for load in loads)
    writes = sum(len(load.latencies) for load in loads)
    return [name, f"{seconds:.1f}", str(writes), *(f"{ms:.2f}" for ms in figures)]


def _percentile(loads: Sequence[Load], percent: float) -> float:
    return median(load.percentile(percent) for load in loads)


async def _fill(folder: Path, samples: int, events: int) -> None:
    """Samples and events, of which as many again were removed, so that there is space to free."""
    await asyncio.to_thread(folder.mkdir)
    traffic = Traffic(samples)
    path, clock = folder / "ops.db", TrafficClock(traffic.start_ms)
    async with open_board(path, clock) as board:
        for batch in traffic.chunks(SAMPLES_AT_ONCE):
            await record(board, clock, batch)
        await _say(board, events, "removed")
        await _say(board, events, "kept")
        await board.projections["event_index"].catch_up()
        await board.store.event_index.trim(events)
        await board.store.journal.trim(Stream.EVENTS, events)
    truncate_log(path)


async def _say(board: Opsboard, events: int, word: str) -> None:
    for start in range(0, events, EVENTS_AT_ONCE):
        drafts = [
            EventFields(
                level="INFO",
                type="OPS",
                service="shop",
                message=f"release {number} is {word} in eu-west-1",
                meta={"commit": "4f2d9ab", "by": "ci", "replicas": number},
            )
            for number in range(start, start + EVENTS_AT_ONCE)
        ]
        await board.recorder.record_all(drafts, None)


def _started(folder: Path, command: Sequence[str], number: int) -> Callable[[], bool]:
    """Start a command beside the server; what tells whether it still runs.

    Raises `RuntimeError` once it has failed.
    """
    if not command:
        end = time.perf_counter() + CALM_SECONDS
        return lambda: time.perf_counter() < end
    named = [argument.format(folder=folder, round=number) for argument in command]
    store = f"sqlite:///{folder / 'ops.db'}"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *named, "--store", store], stdout=subprocess.DEVNULL
    )

    def runs() -> bool:
        status = process.poll()
        if status:
            raise RuntimeError(f"opsboard {command[0]} ended with {status}")
        return status is None

    return runs


def _written(port: int, runs: Callable[[], bool]) -> Load:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_write_all(port, runs))


async def _write_all(port: int, runs: Callable[[], bool]) -> Load:
    latencies: list[float] = []
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(_write(port, writer, runs, latencies))
    return Load(time.perf_counter() - started, sorted(latencies))


async def _write(port: int, writer: int, runs: Callable[[], bool], latencies: list[float]) -> None:
    """Write when it is due; who is late has waited since then."""
    every = WRITERS / WRITES_A_SECOND
    reader, sender = await asyncio.open_connection(HOST, port)
    due = time.perf_counter() + every * writer / WRITERS
    while runs():
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sender.write(_EVENT if writer % 2 else _SAMPLES)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"a write was answered {head!r} {await reader.read(400)!r}")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - due)
        due += every
    sender.close()
