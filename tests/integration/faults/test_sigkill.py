"""SIGKILL at random moments: what was acknowledged is there once, the rest can be sent again."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
import msgspec
import pytest
from benchmarks.killed.killing import Killing
from benchmarks.killed.opsboard import SERVICE, Opsboard
from benchmarks.killed.report import free_port
from benchmarks.killed.subject import STRIDE

from ..server import run
from .lengths import length

ROUNDS = 5
SEED = 7
VERIFY_EVERY = 10
STARTS_KILLED = 0.2
START_SECONDS = 0.8
READY_SECONDS = 2.0


class Account:
    """What clients were told, against what the journal holds; each entry is looked at once."""

    def __init__(self, subject: Opsboard, killing: Killing) -> None:
        self.subject = subject
        self.killing = killing
        self.items: set[int] = set()

    def check(self) -> None:
        """After a kill: nothing twice, nothing half, nothing acknowledged missing."""
        found = self.subject.found()
        assert set(found.values()) <= {1}
        assert found.keys().isdisjoint(self.items)
        self.items |= found.keys()
        self._check_whole(found)
        acknowledged = self.killing.ledger.acknowledged
        missing = [n for n in acknowledged if not self.items.issuperset(self.subject.items(n))]
        assert missing == []
        self._check_ids(acknowledged)

    def _check_whole(self, found: Counter[int]) -> None:
        """A batch is an entry of its own; the exception on a span is an event beside it."""
        sizes = Counter(item // STRIDE for item in found if item % STRIDE < 10)
        for number, size in sizes.items():
            items = self.subject.items(number)
            assert size == min(len(items), 10), number

    def _check_ids(self, acknowledged: dict[int, bytes]) -> None:
        """An event has the id that the answer said."""
        for number, id in self.subject.event_ids.items():
            if number % 2 == 0 and number in acknowledged:
                assert msgspec.json.decode(acknowledged[number])["id"] == id

    def check_all(self, port: int) -> None:
        """After everything was sent again: each thing that was ever sent is there, once."""
        self.check()
        ledger = self.killing.ledger
        sent = {item for n in ledger.acknowledged for item in self.subject.items(n)}
        assert self.killing.clients.pending == []
        assert self.items == sent
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            rows = http.get("/metrics", params={"service": SERVICE}).json()["requests"]
            events = http.get("/events/summary", params={"service": SERVICE}).json()
        counted = sum(row["count"] for row in rows) + sum(events["by_level"].values())
        assert counted == len(sent)


def kill_and_check(
    folder: Path,
    rounds: int,
    acknowledgements: tuple[int, int],
    record: Callable[[str, object], None],
) -> list[tuple[float, float]]:
    """So many rounds, each with so many acknowledgements.

    How many seconds it took after each until it was ready, and how many of a processor.
    """
    port = free_port()
    subject = Opsboard(folder, port)
    whim = random.Random(SEED)
    starts: list[tuple[float, float]] = []
    with Killing(subject, port, SEED) as killing:
        account = Account(subject, killing)
        killing.start()
        for number in range(rounds):
            killing.write_and_kill(*acknowledgements)
            while whim.random() < STARTS_KILLED:
                killing.kill_while_starting(START_SECONDS)
            if number % VERIFY_EVERY == 0:
                verify(subject)
            starts.append((killing.start(), killing.cpu_seconds()))
            account.check()
        killing.clients.settle()
        account.check_all(port)
        verify(subject)
    record("acknowledged requests", len(killing.ledger.acknowledged))
    record("items, each found once", len(account.items))
    return starts


def verify(subject: Opsboard) -> None:
    verified = run("verify", "--store", f"sqlite:///{subject.path}")
    assert verified.returncode == 0, verified.stdout


def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kill_and_check(tmp_path, ROUNDS, (50, 500), record_property)


@pytest.mark.chaos
def test_two_hundred_kills(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    started = perf_counter()
    rounds = length("CHAOS_KILLS", 200)
    starts = kill_and_check(tmp_path, rounds, (1, 10_000), record_property)
    ready, processor = zip(*starts, strict=True)
    record_property("kills", rounds)
    record_property("minutes", round((perf_counter() - started) / 60, 1))
    record_property("ready again in s, median", round(median(ready), 2))
    record_property("ready again in s, at most", round(max(ready), 2))
    record_property("of these s of a processor, at most", round(max(processor), 2))
    assert median(ready) < READY_SECONDS
