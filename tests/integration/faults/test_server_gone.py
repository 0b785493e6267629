"""A server that is gone for long: what an app has to ship waits, and is counted once."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ... import patience
from ...patience import until
from ..ports import free_port
from ..server import serving
from ..workers import Load, counted, running, uvicorn
from .lengths import length


@pytest.mark.chaos
async def test_samples_wait_for_a_server_that_was_killed_and_count_once(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """By SIGKILL under load, which goes on all the while: a batch may be durable unacknowledged."""
    seconds = length("CHAOS_GONE_SECONDS", 20)
    store, port = f"sqlite:///{tmp_path / 'ops.db'}", free_port()
    load = Load(port, workers=2)
    with ExitStack() as stack:
        server = stack.enter_context(serving(store, "--port", str(free_port())))
        workers = stack.enter_context(running(uvicorn(port), port, server.url))
        await load.until_up()
        await load.run(300)
        loading = asyncio.create_task(load.run(600))
        await until(partial(counted, server))
        server.process.kill()
        server.process.wait()
        await loading
        meanwhile = await load.run_for(seconds)
        server = stack.enter_context(serving(store, "--port", str(server.port)))
        back = time.monotonic()
        await until(lambda: counted(server).total() >= load.seen.total())
        record_property("seconds until all were counted", round(time.monotonic() - back, 1))
        await load.run(300)
        workers.terminate()
        workers.wait(timeout=patience.SECONDS)
        record_property("seconds without a server", seconds)
        record_property("requests in that time", meanwhile)
        record_property("requests in all", load.seen.total())
        record_property("counted", counted(server).total())
        assert counted(server) == load.seen
        told = server.client.get("/events?service=shop&type=OPS&limit=500").json()
        assert [event for event in told if event["meta"]["dropped_samples"]] == []
