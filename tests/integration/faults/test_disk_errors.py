"""System calls that fail below SQLite: what was acknowledged is there, and nothing by half.

A failed `fdatasync` leaves pages that the kernel takes for clean. SQLite writes all of them anew
with the next commit, since it goes on from the end of the last one that succeeded.
"""

import signal
from pathlib import Path

import pytest

from ..server import serving
from .ledger import Ledger
from .machine import disturbed, needs_strace
from .serving_on import check_reads, check_refusal, check_verified, messages, nothing_lost, until


@pytest.fixture(autouse=True)
def _strace() -> None:
    needs_strace()


SYNC_FAILS, NO_ROOM = "fdatasync:error=EIO:when=4+5", "pwrite64:error=ENOSPC:when=40+9"


@pytest.mark.parametrize(
    ("injected", "end"),
    [
        (SYNC_FAILS, signal.SIGKILL),
        (NO_ROOM, signal.SIGTERM),
        pytest.param(SYNC_FAILS, signal.SIGTERM, marks=pytest.mark.chaos),
        pytest.param(NO_ROOM, signal.SIGKILL, marks=pytest.mark.chaos),
    ],
)
async def test_calls_that_fail_now_and_then_lose_nothing(
    tmp_path: Path, injected: str, end: signal.Signals
) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    ledger = Ledger()
    with serving(store) as server:
        with disturbed(server.process.pid, injected):
            await ledger.run(server)
        assert ledger.refused
        assert ledger.acknowledged
        ledger.check(server)
        ledger.acknowledged.add("last")
        assert server.post_event(message="last").status_code == 200
        server.stop(end)
    check_verified(store)
    with serving(store) as server:
        ledger.check(server)


@pytest.mark.parametrize("injected", ["fdatasync:error=EIO", "pwrite64:error=EROFS"])
def test_a_disk_that_takes_nothing_is_said_and_survived(tmp_path: Path, injected: str) -> None:
    """As after an error for which the system makes a file system read-only."""
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        server.post_event(message="kept")
        with nothing_lost(server):
            with disturbed(server.process.pid, injected):
                check_refusal(server.post_event(message="refused"), "disk I/O error")
                until(server, "/readyz", 503)
                check_reads(server)
            assert server.post_event(message="after").status_code == 200
        until(server, "/readyz", 200)
        assert messages(server) == ["kept", "after"]
        assert server.stop() == 0
    check_verified(store)


@pytest.mark.parametrize(
    "nth", [2, 7, *(pytest.param(nth, marks=pytest.mark.chaos) for nth in (1, 3, 5, 10, 15, 20))]
)
async def test_a_kill_within_a_sync_loses_nothing_that_was_acknowledged(
    tmp_path: Path, nth: int
) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    ledger = Ledger()
    with serving(store) as server:
        with disturbed(server.process.pid, f"fdatasync:signal=SIGKILL:when={nth}"):
            await ledger.run(server)
        assert server.process.wait(timeout=30) == -signal.SIGKILL
    assert ledger.in_doubt
    check_verified(store)
    with serving(store) as server:
        ledger.check(server)
