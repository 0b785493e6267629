"""`python -m tests.integration.browser.screenshots FOLDER`: every view, the same each time."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, Page, async_playwright

from . import shop
from .conftest import FLAGS, chromium
from .seeded import serving

SIZES: dict[str, dict[str, int]] = {
    "desktop": {"width": 1440, "height": 900},
    "phone": {"width": 390, "height": 844},
}
PORT = 8_480
"""Of the server whose address is in the picture."""
SCHEMES: tuple[Any, ...] = ("light", "dark")


class View(NamedTuple):
    """A view by its name, where it is, what has to be there first, and what is clicked then."""

    name: str
    query: str
    ready: str
    click: str | None = None


VIEWS = (
    View("overview", "last=3h", ".plot canvas"),
    View("endpoints", "view=endpoints&last=3h", "tbody .sparkline"),
    View(
        "route",
        "view=endpoints&last=3h&service=pay&method=POST&route=/payments",
        ".plot canvas",
    ),
    View("events", "view=events&last=12h", ".event-row", click=".event-row >> nth=1"),
    View("errors", "view=errors&last=12h", ".errors li"),
    View("error", "view=errors&last=12h", ".errors li", click=".errors a >> nth=0"),
    View("deploys", "view=deploys&last=12h", ".deploy"),
)


async def photograph(folder: Path) -> None:
    """Write a file for each view, size and scheme."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        async with serving() as address:
            for view in VIEWS:
                await _each(browser, folder, view, address)
        async with serving(port=PORT, is_filled=False) as address:
            await _each(browser, folder, View("welcome", "", ".welcome"), address)
        async with serving(is_filled=False, read_token="reads") as address:
            await _each(browser, folder, View("sign-in", "", ".sign-in"), address)
        await browser.close()


def _variants() -> Iterator[tuple[str, Any]]:
    for size in SIZES:
        for scheme in SCHEMES:
            yield size, scheme


async def _each(browser: Browser, folder: Path, view: View, address: str) -> None:
    for size, scheme in _variants():
        context = await browser.new_context(
            viewport=SIZES[size],  # type: ignore[arg-type]
            color_scheme=scheme,
            reduced_motion="reduce",
            timezone_id="UTC",
        )
        page = await context.new_page()
        await page.clock.set_fixed_time(shop.NOW_NS / 1e9)
        await page.goto(f"{address}/?{view.query}")
        await page.wait_for_selector(view.ready, state="attached")
        if view.click is not None:
            await page.click(view.click)
        await _settle(page)
        await page.screenshot(path=folder / f"{view.name}-{size}-{scheme}.png")
        await context.close()


async def _settle(page: Page) -> None:
    """Wait until two pictures in a row are the same."""
    before = b""
    while before != (now := await page.screenshot()):
        before = now
        await asyncio.sleep(0.25)


if __name__ == "__main__":
    wanted = Path(sys.argv[1])
    wanted.mkdir(parents=True, exist_ok=True)
    asyncio.run(photograph(wanted))
