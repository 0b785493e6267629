"""What this machine lets a test do to its own processes: mounts of their own, limits, strace."""

import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

PROBE_SECONDS = 30


@cache
def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    ended = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False)
    return ended.returncode == 0


def needs_own_mounts() -> None:
    """Skip where a process can not have mounts of its own."""
    if not _succeeds(*_namespaces("mount -t tmpfs -o size=1m none /mnt")):
        pytest.skip("no user and mount namespaces here")


def needs_strace() -> None:
    """Skip where no system call can be made to fail."""
    if not _succeeds("strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"):
        pytest.skip("no strace here, or no leave to trace a process")


def _namespaces(script: str) -> tuple[str, ...]:
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script)


def on_a_disk_of(size: str, folder: Path) -> Sequence[str]:
    """The wrapper of a command that sees a disk of `size` (such as `2m`) at `folder`."""
    mount = f"mount -t tmpfs -o size={size} none {shlex.quote(str(folder))}"
    return (*_namespaces(f'{mount} && exec "$@"'), "sh")


def read_only(folder: Path) -> Sequence[str]:
    """The wrapper of a command that may write nothing in `folder`."""
    place = shlex.quote(str(folder))
    mount = f"mount --bind {place} {place} && mount -o remount,bind,ro {place}"
    return (*_namespaces(f'{mount} && exec "$@"'), "sh")


def resize_disk_of(pid: int, size: str, folder: Path) -> None:
    """Give the disk at `folder` that only the process sees another size."""
    enter = ["nsenter", "--target", str(pid), "--user", "--mount", "--preserve-credentials"]
    remount = ["mount", "-o", f"remount,size={size}", str(folder)]
    subprocess.run([*enter, *remount], check=True, timeout=PROBE_SECONDS)


@contextmanager
def limited(pid: int, limit: int, value: int) -> Iterator[None]:
    """A process with a lower limit, such as `resource.RLIMIT_FSIZE`, for a while."""
    soft, hard = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (value, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, limit, (soft, hard))


@contextmanager
def disturbed(pid: int, *injections: str) -> Iterator[None]:
    """A running process whose system calls fail, as strace's `inject` has it, for a while."""
    calls = ",".join({each.partition(":")[0] for each in injections})
    options = [option for each in injections for option in ("-e", f"inject={each}")]
    with subprocess.Popen(
        ["strace", "-f", "-o", os.devnull, "-e", f"trace={calls}", *options, "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.terminate()
            tracer.wait(PROBE_SECONDS)
