"""The dashboard over servers that are new, closed, mounted, or gone for a while."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import opsboard
import uvicorn
from opsboard.adapters.http.app import create_app
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.routing import Mount

from ... import patience
from ..ports import free_port
from ..server import TOKEN, serving
from . import traffic
from .conftest import Visit


def test_the_first_page_says_how_to_begin_and_fills_itself(visit: Visit) -> None:
    with serving("memory:") as server:
        page = visit(server.url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for the first sample")
        expect(page.get_by_text(f"curl -X POST {server.url}/events")).to_be_visible()
        expect(page.get_by_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={server.url}\n")).to_be_visible()
        traffic.say(server, "Release 1.0 is live", type="DEPLOY")
        expect(page.get_by_role("region", name="Newest events")).to_contain_text("Release 1.0")
        traffic.send_samples(server, minutes=5)
        services = page.get_by_role("region", name="Services", exact=True)
        expect(services.get_by_role("rowheader", name="shop")).to_be_visible()
        page.close()


def test_a_closed_server_asks_for_a_token_once(visit: Visit, complaints: list[str]) -> None:
    with serving("memory:", OPS_READ_TOKEN="reads") as server:
        traffic.say(server, "Only for those who may read")
        page = visit(f"{server.url}?view=events")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(page.get_by_text("Only for those")).to_have_count(0)
        page.get_by_label("Token").fill("guessed")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Token").fill("reads")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Only for those")).to_be_visible()
        assert "opsboard" not in page.evaluate("document.cookie")
        page.reload()
        expect(page.get_by_text("Only for those")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.close()
    assert all("401" in complaint for complaint in complaints)
    complaints.clear()


def test_a_restart_is_told_and_survived(
    visit: Visit, complaints: list[str], tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store, "--port", str(free_port())) as first:
        traffic.say(first, "before")
        page = visit(f"{first.url}?view=events")
        expect(page.get_by_text("before")).to_be_visible()
        first.stop()
    expect(page.get_by_role("status")).to_contain_text("does not answer")
    expect(page.get_by_role("button", name="Refresh: No answer")).to_be_visible()
    expect(page.get_by_text("before", exact=True)).to_be_visible()
    with serving(store, "--port", str(first.port)) as second:
        expect(page.get_by_role("status")).to_be_empty()
        traffic.say(second, "after")
        expect(page.locator(".event-message")).to_have_text(["after", "before"])
        page.close()
    assert all("net::ERR" in complaint for complaint in complaints)
    complaints.clear()


@contextmanager
def mounted() -> Iterator[str]:
    """The address of an app that has opsboard under /ops."""
    board = opsboard.open("memory:")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with board:
            await board.record_event("Said in-process", type="DEPLOY", service="shop")
            yield

    ops = create_app(board, api_token=TOKEN, read_token=None, version="0")
    app = Starlette(routes=[Mount("/ops", app=ops)], lifespan=lifespan)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    started = threading.Event()
    startup = server.startup

    async def start(sockets: object = None) -> None:
        await startup()
        started.set()

    server.startup = start  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        assert started.wait(patience.SECONDS)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/ops"
        server.should_exit = True
        patience.eventually(lambda: not server.server_state.connections, "one stays connected")
    finally:
        server.force_exit = server.should_exit = True
        thread.join()


def test_it_works_under_a_prefix(visit: Visit) -> None:
    with mounted() as address:
        page = visit(address)
        expect(page.get_by_role("region", name="Newest events")).to_contain_text("Said in-process")
        page.get_by_role("link", name="Deploys").click()
        expect(page.get_by_role("article")).to_contain_text("Said in-process")
        page.wait_for_url(re.compile(r"/ops/\?view=deploys$"))
        page.get_by_role("link", name="opsboard").click()
        page.wait_for_url(re.compile(r"/ops/$"))
        page.close()
