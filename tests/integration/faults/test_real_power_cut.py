"""ext4 on a loop device, shut down beneath a server as by a power cut: its own log is not flushed.

It takes a machine that lets a test mount things, so it runs with `make chaos` only.
"""

import asyncio
import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..server import Server, serving
from .ledger import Ledger
from .lengths import length
from .serving_on import check_verified

SHUTDOWN = 0x8004587D
"""FS_IOC_SHUTDOWN."""
WITHOUT_LOG_FLUSH = 2
ACKNOWLEDGED = (20, 1_500)
SEED = 5

pytestmark = pytest.mark.chaos


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no loop devices here, or no leave to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def new_disk(tmp_path: Path) -> tuple[Path, Path]:
    """An image with a file system, and the folder for it."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("no mkfs.ext4 here")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(256 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    return image, folder


def cut_power(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
    finally:
        os.close(handle)


async def cut_after(ledger: Ledger, server: Server, acknowledged: int, folder: Path) -> None:
    """Clients send until so many are acknowledged; then the power goes, and the server with it."""
    sending = asyncio.create_task(ledger.run(server))
    while len(ledger.acknowledged) < acknowledged:
        await asyncio.sleep(0)
    cut_power(folder)
    server.process.kill()
    await sending
    ledger.in_doubt |= ledger.refused  # what was refused at the very end may have reached the disk


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    image, folder = new_disk(tmp_path)
    chance = random.Random(SEED)
    for number in range(length("CHAOS_POWER_CUTS", 10)):
        store = f"sqlite:///{folder / f'{number}.db'}"
        ledger = Ledger(posts=None)
        with mounted(image, folder), serving(store) as server:
            await cut_after(ledger, server, chance.randint(*ACKNOWLEDGED), folder)
            server.process.wait(timeout=30)
        with mounted(image, folder):
            check_verified(store)
            with serving(store) as server:
                ledger.check(server)
                assert server.stop() == 0
