"""A disk without room: writes are refused and say so, all else goes on, and it heals by itself."""

import resource
from pathlib import Path

from ..server import serving
from .machine import limited, needs_own_mounts, on_a_disk_of, resize_disk_of
from .serving_on import (
    check_reads,
    check_refusal,
    check_verified,
    messages,
    nothing_lost,
    refused,
    until,
)

FULL = "database or disk is full"
MAX_LINES = 15
"""Each fault is said once, however often it is met; near the end of the room it comes and goes."""


def test_a_full_disk_refuses_writes_serves_reads_and_heals_without_a_restart(
    tmp_path: Path,
) -> None:
    needs_own_mounts()
    folder = tmp_path / "small"
    folder.mkdir()
    wrapper = on_a_disk_of("1m", folder)
    with serving(f"sqlite:///{folder / 'ops.db'}", wrapper=wrapper) as server:
        check_refusal(refused(server), FULL)
        with nothing_lost(server):
            assert FULL in until(server, "/readyz", 503).json()["checks"]["store"]["detail"]
            assert not server.client.get("/health").json()["ok"]
            check_reads(server)
            for _ in range(2 * MAX_LINES):
                check_refusal(refused(server, size=10_000), FULL)
            resize_disk_of(server.process.pid, "20m", folder)
            assert server.post_event(message="after").status_code == 200
        assert messages(server)[-1] == "after"
        assert until(server, "/readyz", 200).json()["ok"]
        samples = server.client.get("/metrics").json()["requests"]
        assert any(row["status_code"] == 503 for row in samples)
        store = Path(f"/proc/{server.process.pid}/root{folder}")
        for file in store.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        assert server.stop() == 0
        assert server.process.stdout is not None
        said = server.process.stdout.read().splitlines()
    assert any(f"the store can not be written: {FULL}" in line for line in said)
    assert any("takes writes again" in line for line in said)
    assert len(said) < MAX_LINES, said
    check_verified(f"sqlite:///{tmp_path / 'ops.db'}")


def test_a_file_that_may_not_grow_is_a_full_disk_too(tmp_path: Path) -> None:
    """As by a quota, or `ulimit -f`; nothing is asked of the machine."""
    path = tmp_path / "ops.db"
    with serving(f"sqlite:///{path}") as server:
        server.post_event(message="kept")
        wal = path.with_name("ops.db-wal").stat().st_size
        with limited(server.process.pid, resource.RLIMIT_FSIZE, wal + 40_000):
            check_refusal(refused(server), "the store can not be written: disk I/O error")
            with nothing_lost(server):
                until(server, "/readyz", 503)
                check_reads(server)
        assert server.post_event(message="after").status_code == 200
        until(server, "/readyz", 200)
        assert messages(server)[-1] == "after"
        assert server.stop() == 0
    check_verified(f"sqlite:///{path}")
