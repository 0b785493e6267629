"""One Chromium for each file of tests; where there is none, they are skipped, and say so."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opsboard.adapters.http.built_page import Dashboard
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from ... import patience

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
"""The first is the same engine without the parts that draw windows, and sooner done."""
FLAGS = ["--no-sandbox", "--disable-gpu"]
WAIT_MS = patience.SECONDS * 1_000
LISTENING = re.compile(" · opsboard$")
"""The title, once the page is drawn and takes keys."""

Visit = Callable[..., Page]


def chromium() -> str | None:
    """The path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window. `chromium` must have found one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=FLAGS, timeout=WAIT_MS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of one file: Playwright's own loop must be gone before tests that run another."""
    if chromium() is None:
        pytest.skip("no Chromium on the path: apt-get install chromium-headless-shell")
    if Dashboard.read() is None:
        pytest.skip("the dashboard is not built: make page")
    expect.set_options(timeout=WAIT_MS)
    with browsing() as found:
        yield found


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of, such as a broken policy; tests may clear what they expect."""
    return []


@pytest.fixture
def visit(browser: Browser, complaints: list[str]) -> Iterator[Visit]:
    """Opens a page of its own at an address; at the end, nothing may have been complained of."""
    contexts = []

    def open_page(address: str, *, init_script: str = "", **options: Any) -> Page:
        size = {"width": 1280, "height": 900}
        context = browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(init_script)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _complain(complaints, message))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.goto(address)
        expect(page).to_have_title(LISTENING)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _complain(complaints: list[str], message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        complaints.append(message.text)
