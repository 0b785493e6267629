"""Bodies at random, for as long as there is time: taken or refused, and never a fault."""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings

from ..server import TOKEN, Server, run, serving
from ..test_openapi import FLAGS, SCHEMATHESIS
from .fuzzed import Fuzzed, requests
from .lengths import length

SECONDS = 3_600
ROUND_OF = 300
QUICK_EXAMPLES = 100
MAX_PEAK_MIB = 700
REFUSED = range(400, 500)


def peak_mib(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


class Fuzzing:
    """Sends requests to a server, and looks at what it answers and keeps."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.statuses: Counter[tuple[str, int]] = Counter()

    def send(self, request: Fuzzed) -> None:
        before = self._newest()
        answer = self.server.client.post(
            request.path, content=request.body, headers=request.headers | {"X-Ops-Token": TOKEN}
        )
        self.statuses[request.path, answer.status_code] += 1
        assert answer.status_code == 200 or answer.status_code in REFUSED, answer.text
        assert TOKEN not in answer.text
        assert "Traceback" not in answer.text
        if answer.status_code != 200:
            assert self._newest() == before, "refused, and recorded all the same"
            self._is_told(request, answer)

    def _newest(self) -> Any:
        return self.server.client.get("/events?limit=1").json()

    @staticmethod
    def _is_told(request: Fuzzed, answer: httpx.Response) -> None:
        kind = answer.headers["content-type"]
        if not request.path.startswith("/v1/"):
            assert kind == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
        elif kind == "application/json":
            assert answer.json()["code"]
        else:
            assert kind == "application/x-protobuf"


def faults_in_log(said: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [line for line in told if line["level"] in {"ERROR", "FATAL"}]


def fuzz(tmp_path: Path, rounds: Callable[[Callable[[Fuzzed], None]], None]) -> Counter[Any]:
    """Let `rounds` send requests to a server; look at its memory, log and file in the end."""
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store, OPS_MAX_SERIES="1000000") as server:
        fuzzing = Fuzzing(server)
        rounds(fuzzing.send)
        assert server.client.get("/readyz").is_success
        assert server.client.get("/metrics").is_success
        assert peak_mib(server) < MAX_PEAK_MIB
        fuzzing.statuses["peak_mib", 0] = peak_mib(server)
        assert server.stop() == 0
        assert server.process.stdout is not None
        assert faults_in_log(server.process.stdout.read()) == []
    verified = run("verify", OPS_STORE=store)
    assert verified.returncode == 0, verified.stdout
    return fuzzing.statuses


def round_of(number: int, examples: int, send: Callable[[Fuzzed], None]) -> None:
    """So many requests, the same ones for the same number."""
    tried = settings(
        max_examples=examples,
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(given(requests())(send))
    seed(number)(tried)()


def test_a_hundred_bodies_of_any_kind(tmp_path: Path) -> None:
    statuses = fuzz(tmp_path, lambda send: round_of(0, QUICK_EXAMPLES, send))
    answered = {status for _, status in statuses}
    assert {200, 400} <= answered


@pytest.mark.chaos
def test_bodies_for_an_hour(tmp_path: Path, record_property: Callable[..., None]) -> None:
    seconds = length("CHAOS_FUZZ_SECONDS", SECONDS)
    first = length("CHAOS_SEED", int(time.time()))
    done = 0

    def rounds(send: Callable[[Fuzzed], None]) -> None:
        nonlocal done
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            round_of(first + done, ROUND_OF, send)
            done += 1

    try:
        statuses = fuzz(tmp_path, rounds)
    except BaseException as error:
        error.add_note(f"in round {done}: CHAOS_SEED={first + done} begins with it")
        raise
    record_property("seed", first)
    record_property("rounds", done)
    for (path, status), count in sorted(statuses.items()):
        record_property(f"{path} {status}", count)


@pytest.mark.chaos
def test_whatever_the_api_document_allows(
    server: Server, tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """schemathesis, as in the short test, with more examples and another seed each time."""
    examples = length("CHAOS_EXAMPLES", 100)
    start = length("CHAOS_SEED", int(time.time()))
    flags = [flag for flag in FLAGS if "max-examples" not in flag and "deterministic" not in flag]
    ended = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"{server.url}/openapi.json", f"-HX-Ops-Token: {TOKEN}"),
            *flags,
            f"--max-examples={examples}",
            f"--seed={start}",
        ],
        cwd=tmp_path,
        env=os.environ | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    record_property("seed", start)
    assert ended.returncode == 0, ended.stdout[-8_000:] + ended.stderr
    assert server.client.get("/health").json() == {"ok": True}
    assert server.stop() == 0
    assert server.process.stdout is not None
    assert faults_in_log(server.process.stdout.read()) == []
