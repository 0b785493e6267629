"""A process that may open no more files: those who are connected are served as ever."""

import resource
import shlex
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ..server import OPSBOARD, Server, environment, serving
from .machine import limited
from .serving_on import check_reads, check_verified, messages

SPARE = 4
VISITORS = 20
UNUSABLE = 2


def newest_handle(server: Server) -> int:
    return max(int(handle.name) for handle in Path(f"/proc/{server.process.pid}/fd").iterdir())


def visit(server: Server) -> int:
    """The answer to somebody new."""
    return httpx.get(f"{server.url}/livez", timeout=30, trust_env=False).status_code


def test_without_handles_newcomers_are_turned_away_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server, ExitStack() as visitors:
        server.post_event(message="before")
        most = newest_handle(server) + 1 + SPARE
        with limited(server.process.pid, resource.RLIMIT_NOFILE, most):
            for _ in range(VISITORS):
                address = ("127.0.0.1", server.port)
                visitors.enter_context(socket.create_connection(address, timeout=30))
            with pytest.raises(httpx.TransportError):
                visit(server)
            assert server.post_event(message="meanwhile").status_code == 200
            assert server.client.get("/readyz").json()["ok"]
            check_reads(server)
            visitors.close()
            assert visit(server) == httpx.codes.OK
        assert messages(server) == ["before", "meanwhile"]
        assert server.stop() == 0
    check_verified(store)


@pytest.mark.parametrize("handles", [8, 10, 11, 12])
def test_who_can_not_open_the_store_says_so_in_one_line(tmp_path: Path, handles: int) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    recording = shlex.join([OPSBOARD, "event", "hi", "--store", url])
    ended = subprocess.run(
        ["sh", "-c", f"ulimit -n {handles}; exec {recording}"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    if ended.returncode:
        assert ended.returncode == UNUSABLE, ended.stderr
        (line,) = ended.stderr.splitlines()
        assert line.endswith("can not be used: unable to open database file")
    else:
        assert ended.stdout == "1\n"
    assert not list(tmp_path.glob("*.new"))
