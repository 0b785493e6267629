"""The dashboard in a real browser, over a server that has seen an hour of traffic."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from ..server import TOKEN, Server, serving
from . import traffic
from .conftest import Visit

PHONE: ViewportSize = {"width": 390, "height": 844}
SCREENS = (
    "",
    "view=endpoints",
    "view=endpoints&service=shop&method=GET&route=/cart/{id}",
    "view=events",
    "view=errors",
    "view=deploys",
)
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""What a chart does with the mouse, it does with the next frame."""
NOTE_QUESTIONS = """
window.asked = [];
const { fetch } = window;
window.fetch = (path, ...rest) => {
  if (path.startsWith("overview")) {
    asked.push([path, document.querySelector("#page").childElementCount]);
  }
  return fetch(path, ...rest);
};
"""
"""And how much of the page stood there when the overview was asked for."""
LAID_OUT = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("memory:") as found:
        traffic.send_samples(found)
        traffic.say(found, "Release 1.4 is live", type="DEPLOY")
        traffic.say(
            found, "Disk 91 % full", level="WARN", meta={"disk": {"name": "sda", "full": 0.91}}
        )
        traffic.say(found, "Card 4111 refused", level="ERROR", service="pay")
        traffic.raise_error(found)
        yield found


def query_of(page: Page) -> dict[str, list[str]]:
    """As the page has it now: `page.url` follows a little later."""
    return parse_qs(urlsplit(page.evaluate("location.href")).query)


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def drag(page: Page, over: Locator, start: float, end: float) -> None:
    box = over.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    page.evaluate(TWO_FRAMES)
    page.mouse.up()


def press_together(page: Page, *keys: str) -> None:
    """One right after the other, however long a real key takes to arrive."""
    page.evaluate(
        """keys => {
            for (const key of keys) {
                const event = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true});
                document.activeElement.dispatchEvent(event);
            }
        }""",
        keys,
    )


class TestOverview:
    def test_says_how_each_service_is(self, visit: Visit, server: Server) -> None:
        page = visit(server.url)
        services = page.get_by_role("region", name="Services", exact=True)
        for name in ("shop", "pay"):
            expect(services.get_by_role("rowheader", name=name)).to_be_visible()
        expect(services).not_to_contain_text("opsboard")
        expect(chart(page, "Traffic").locator("canvas")).to_be_visible()
        for title in ("Traffic", "Errors", "Latency, p95", "Latency of every request"):
            expect(chart(page, title).locator(".marker")).to_have_count(1)
        expect(page.get_by_text("Release 1.4 is live").first).to_be_attached()

    def test_what_stands_at_the_top_is_asked_for_once_and_before_anything_is_drawn(
        self, visit: Visit, server: Server
    ) -> None:
        page = visit(f"{server.url}?refresh=off", init_script=NOTE_QUESTIONS)
        expect(page.locator(".headline h1")).to_be_visible()
        expect(chart(page, "Traffic").locator("canvas")).to_be_visible()
        assert page.evaluate("asked") == [["overview?last=1h", 0]]

    def test_a_service_has_its_quantiles(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?service=shop")
        expect(chart(page, "Latency").get_by_role("listitem")).to_have_text(
            [re.compile(r"p50\d"), re.compile(r"p95\d"), re.compile(r"p99\d")]
        )

    def test_drag_zooms_in_and_a_double_click_out(self, visit: Visit, server: Server) -> None:
        page = visit(server.url)
        services = page.get_by_role("region", name="Services", exact=True)
        expect(services.get_by_role("rowheader")).to_have_count(2)
        plot = chart(page, "Traffic").locator(".u-over")
        expect(plot).to_be_visible()
        drag(page, plot, 0.25, 0.75)
        page.wait_for_url(re.compile("since="))
        ends = [query_of(page)[name][0] for name in ("since", "until")]
        seconds = page.evaluate("([a, b]) => (Date.parse(b) - Date.parse(a)) / 1000", ends)
        assert seconds == pytest.approx(1800, rel=0.05)
        expect(page.get_by_role("button", name="Refresh: Still")).to_be_visible()
        plot.dblclick()
        page.wait_for_url(lambda url: "since=" not in url)

    def test_one_crosshair_over_all_charts(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?service=shop&refresh=off")
        heads = [chart(page, title).locator(".card-at") for title in ("Errors", "Latency")]
        expect(heads[0]).to_have_text("")
        chart(page, "Traffic").locator(".u-over").hover()
        expect(heads[0]).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
        expect(heads[1]).to_have_text(heads[0].inner_text())

    def test_a_chart_is_a_table_too(self, visit: Visit, server: Server) -> None:
        page = visit(server.url)
        chart(page, "Traffic").get_by_role("button", name="Traffic as a table").click()
        table = chart(page, "Traffic").get_by_role("table")
        expect(table.get_by_role("columnheader")).to_have_text(["Time", "pay", "shop"])
        expect(table.get_by_role("row").nth(10)).to_contain_text("/s")


class TestEndpoints:
    def test_sorts_filters_and_goes_into_a_route(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=endpoints")
        rows = page.get_by_role("rowheader")
        expect(rows).to_have_count(3)
        page.get_by_role("button", name="p95").click()
        expect(rows.first).to_contain_text("/checkout")
        page.get_by_role("button", name="p95").click()
        expect(rows.last).to_contain_text("/checkout")
        page.get_by_role("searchbox").fill("cart get")
        expect(rows).to_have_count(1)
        rows.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("GET/cart/{id}")
        codes = page.get_by_role("region", name="Status codes")
        expect(codes.get_by_role("rowheader")).to_have_text(["200", "404"])
        events = page.get_by_role("region", name="Events of these minutes")
        expect(events).to_contain_text("Release 1.4 is live")
        expect(chart(page, "Latency of every request").locator("canvas")).to_be_visible()
        page.go_back()
        expect(rows).to_have_count(1)
        assert query_of(page)["filter"] == ["cart get"]


class TestEvents:
    def test_search_finds_by_words_of_the_meta(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=events")
        rows = page.locator(".event-row")
        expect(rows.first).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("sda")
        page.wait_for_url(re.compile(r"\bq=sda\b"))
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("Disk 91 % full")
        rows.click()
        tree = page.locator(".event-details")
        expect(tree).to_contain_text("full0.91")
        traffic.say(server, "said while one is open")
        page.keyboard.press("/")
        page.keyboard.press("Escape")
        expect(rows.first).to_contain_text("said while one is open")

    def test_a_link_shows_what_its_sender_saw(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=events&level=ERROR&service=pay&last=6h")
        expect(page.locator(".event-row")).to_have_count(1)
        expect(page.get_by_role("button", name=re.compile("^ERROR"))).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(page.get_by_role("button", name="Time: Last 6 hours")).to_be_visible()
        expect(page.get_by_role("button", name="Service: pay")).to_be_visible()
        page.get_by_role("link", name="Endpoints").click()
        assert query_of(page) == {"view": ["endpoints"], "service": ["pay"], "last": ["6h"]}

    def test_new_ones_come_by_themselves(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=events&type=LIVE")
        expect(page.get_by_text("Nothing was said")).to_be_visible()
        traffic.say(server, "first", type="LIVE")
        expect(page.locator(".event-message")).to_have_text(["first"])
        traffic.say(server, "of another type")
        page.locator(".event-row").click()
        for message in ("second", "third"):
            traffic.say(server, message, type="LIVE")
        page.get_by_role("button", name="2 newer events").click()
        expect(page.locator(".event-message")).to_have_text(["third", "second", "first"])

    def test_new_ones_wait_while_one_reads_further_down(self, visit: Visit, server: Server) -> None:
        def say(message: str) -> None:
            # Of a service of its own: they would take the place of what other tests look for.
            traffic.say(server, message, type="LONG", service="chatty")

        for n in range(40):
            say(f"line {n}")
        page = visit(f"{server.url}?view=events&type=LONG")
        rows = page.locator(".event-row")
        expect(rows).to_have_count(40)
        rows.last.scroll_into_view_if_needed()
        page.wait_for_function("scrollY > 200")
        page.evaluate(TWO_FRAMES)
        say("one more")
        page.get_by_role("button", name="1 newer event").click()
        expect(rows).to_have_count(41)
        expect(rows.first).to_contain_text("one more")
        page.wait_for_function("scrollY === 0")
        page.evaluate(TWO_FRAMES)
        say("and another")
        expect(rows.first).to_contain_text("and another")

    def test_what_is_copied_can_be_pasted(self, visit: Visit, server: Server) -> None:
        id = traffic.say(server, "copied", type="COPY", meta={"n": 1})
        permissions = ["clipboard-read", "clipboard-write"]
        page = visit(f"{server.url}?view=events&type=COPY&event={id}", permissions=permissions)
        page.evaluate("window.setTimeout = () => 0")  # "Copied" stays until it was read
        page.get_by_role("button", name="Copy as JSON").click()
        expect(page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
        pasted = page.evaluate("navigator.clipboard.readText().then(JSON.parse)")
        assert pasted == server.client.get(f"/events/{id}").json()


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe \u2067right to left\u2069 \u05d0\u05d1\u05d2",
    "{{7*7}} ${7*7} javascript:alert(1)",
    "w" * 1_000,
)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Server]:
    with serving("memory:") as server:
        for text in HOSTILE:
            meta = {text[:200]: text, "nested": {"<b>": ["<i>", "x" * 10_000]}}
            traffic.say(server, text, service=text[:80], type="HOSTILE", meta=meta)
            traffic.say(server, text, service=text[:80], type="DEPLOY")
        sample = {"route": HOSTILE[0], "method": "GET", "status_code": 500, "latency_ms": 1}
        samples = [{**sample, "service": text[:80]} for text in HOSTILE[:4]]
        traffic.post(server, "/samples", samples)
        yield server


def test_every_string_from_outside_is_text(visit: Visit, hostile: Server) -> None:
    page = visit(hostile.url)
    for screen in ("", "view=endpoints", "view=deploys", "view=events"):
        page.goto(f"{hostile.url}?{screen}")
        expect(page.get_by_text(HOSTILE[0]).first).to_be_attached()
        assert page.locator("main :is(script, img, iframe)").count() == 0
        assert page.evaluate(LAID_OUT), screen
    rows = page.locator(".event-row")
    expect(rows).to_have_count(2 * len(HOSTILE))
    for row in rows.all()[1::2]:
        row.click()
        expect(page.locator(".event-full")).to_be_visible()
        assert page.evaluate(LAID_OUT)
    assert page.locator(".event-full").inner_text() == HOSTILE[0]


class TestDeploysAndErrors:
    def test_a_deploy_has_a_verdict(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=deploys")
        deploy = page.get_by_role("article", name="Release 1.4 is live")
        expect(deploy).to_contain_text("Too few requests")
        deploy.get_by_role("link", name="Charts around it").click()
        page.wait_for_url(re.compile("since=.*until="))
        expect(chart(page, "Latency").locator(".marker")).to_have_count(1)

    def test_an_error_is_resolved_after_signing_in(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=errors")
        page.get_by_role("link", name="KeyError").click()
        expect(page.get_by_label("Stack trace")).to_contain_text("carts[id]")
        page.get_by_label("Note").fill("mended in 1.4.1")
        page.get_by_role("button", name="Resolve").click()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="KeyError")).to_contain_text("resolved")
        expect(page.get_by_text("mended in 1.4.1")).to_be_visible()
        traffic.raise_error(server)
        page.keyboard.press("r")
        expect(page.get_by_role("heading", name="KeyError")).to_contain_text("reopened")


class TestReaders:
    def test_the_keyboard_goes_everywhere(self, visit: Visit, server: Server) -> None:
        page = visit(server.url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        press_together(page, "g", "e")
        expect(page.get_by_role("heading", name="Events", level=1)).to_be_visible()
        page.keyboard.press("[")
        page.wait_for_url(re.compile("since="))
        page.go_back()
        page.get_by_role("button", name="Time: Last hour").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("last=15m"))
        expect(page.get_by_role("button", name="Time: Last 15 minutes")).to_be_focused()

    def test_light_and_dark_by_the_system_and_by_choice(self, visit: Visit, server: Server) -> None:
        page = visit(server.url, color_scheme="dark")
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.emulate_media(color_scheme="light")
        light = page.evaluate(ground)
        assert dark != light
        page.get_by_role("button", name="Colours: system").click()
        page.get_by_role("button", name="Colours: light").click()
        expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
        assert page.evaluate(ground) == dark
        page.reload()
        assert page.evaluate(ground) == dark

    @pytest.mark.parametrize("screen", SCREENS)
    def test_fits_a_phone(self, visit: Visit, server: Server, screen: str) -> None:
        page = visit(f"{server.url}?{screen}")
        page.set_viewport_size(PHONE)
        expect(page.get_by_role("navigation", name="Views")).to_be_in_viewport()
        expect(page.locator("main h1, main h2").first).to_be_visible()
        assert page.evaluate(LAID_OUT)

    def test_a_chart_follows_the_window(self, visit: Visit, server: Server) -> None:
        page = visit(f"{server.url}?view=endpoints&service=shop&method=GET&route=/cart/{{id}}")
        drawn = page.locator(".uplot").first
        expect(drawn).to_be_visible()
        wide = drawn.bounding_box()
        page.set_viewport_size(PHONE)
        assert page.evaluate(LAID_OUT)
        page.wait_for_function(
            "() => [...document.querySelectorAll('.uplot')].every(each => "
            "each.offsetWidth === each.parentElement.clientWidth)"
        )
        narrow = drawn.bounding_box()
        assert wide is not None
        assert narrow is not None
        assert narrow["width"] < wide["width"]

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_serious(self, visit: Visit, server: Server, scheme: Any) -> None:
        page = visit(server.url, color_scheme=scheme, reduced_motion="reduce")
        axe = (
            Path(__file__).parents[3]
            / "src/adapters/http/dashboard/node_modules/axe-core/axe.min.js"
        )
        for screen in SCREENS:
            page.goto(f"{server.url}?{screen}")
            expect(page.locator("main h1, main h2").first).to_be_visible()
            page.evaluate(axe.read_text() + "; undefined")
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            grave = [
                (each["id"], [node["html"][:200] for node in each["nodes"]][:3])
                for each in found["violations"]
                if each["impact"] in {"serious", "critical"}
            ]
            assert grave == [], screen
