"""Runs `opsboard` in processes of its own that need not load it first: they are forks of this one.

Each is what `opsboard`, or a module of the tests that uses it, is when a shell starts it: with
its own arguments, environment, streams, signals and end, but for the half second that Python takes
to load everything. This process waits on its standard input, a socket, for what is to be run; it
has no thread, so that a fork has all of it.
"""

import gc
import json
import os
import runpy
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from opsboard.entrypoints import cli

OPSBOARD = "opsboard"
END = b"\n"
"""Of a request, which is JSON."""
STREAMS = 3
NUMBER = struct.Struct("i")
"""What comes back, on the last file that was sent: the process' id, then its exit status."""

PART_BYTES = 1 << 16


def load() -> None:
    """Everything that a command imports once it runs, and what the first app puts into caches."""
    for framework in cli._LOADED_FOR_NOTHING:
        sys.modules.setdefault(framework, cast(Any, None))
    import anyio._backends._asyncio  # noqa: F401, PLC0415
    import httpcore  # noqa: F401, PLC0415
    import opsboard.entrypoints.demo  # noqa: PLC0415
    import opsboard.entrypoints.files  # noqa: PLC0415
    import opsboard.entrypoints.remote  # noqa: PLC0415
    import opsboard.entrypoints.server  # noqa: PLC0415
    import opsboard.entrypoints.shell  # noqa: PLC0415
    import opsboard.entrypoints.upkeep  # noqa: PLC0415
    import uvicorn.lifespan.on  # noqa: PLC0415
    import uvicorn.loops.uvloop  # noqa: F401, PLC0415
    from opsboard.adapters.http.app import create_app  # noqa: PLC0415

    create_app(opsboard.open("memory:"), api_token=None, read_token=None, version="0")
    gc.collect()
    gc.freeze()


def become_one_of_those_asked_for(asking: socket.socket) -> None:
    """Comes back in each new process; in this one, the end of the socket ends it."""
    while True:
        message, files, _, _ = socket.recv_fds(asking, PART_BYTES, STREAMS + 1)
        if not message:
            _reap()
            os._exit(0)
        while not message.endswith(END):
            message += asking.recv(PART_BYTES)
        if os.fork() == 0:
            asking.close()
            _keep(files)
            _take_on(json.loads(message), files)
            return
        for file in files:
            os.close(file)
        _reap()


def _reap() -> None:
    """Those that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(files: list[int]) -> None:
    """Comes back in the child; its parent says who it is, and how it ended."""
    child = os.fork()
    if child == 0:
        return
    *streams, told = files
    for stream in (*range(STREAMS), *streams):
        os.close(stream)
    with suppress(BrokenPipeError):  # nobody wants to know any more
        os.write(told, NUMBER.pack(child))
        _, status = os.waitpid(child, 0)
        os.write(told, NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _take_on(asked: dict[str, Any], files: list[int]) -> None:
    for number, file in enumerate(files[:STREAMS]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = list(asked["arguments"])


if __name__ == "__main__":
    load()
    become_one_of_those_asked_for(socket.socket(fileno=os.dup(0)))
    if sys.argv[0] == OPSBOARD:
        cli.main()
    else:
        sys.path.insert(0, str(Path(__file__).parents[2]))
        runpy.run_module(sys.argv[0], run_name="__main__")
