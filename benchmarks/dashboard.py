"""What the dashboard weighs, how soon it says something, and what it costs while it is open."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread

from opsboard.adapters.http.built_page import Dashboard
from opsboard.domain.instant import NS_PER_MS, format_instant
from playwright.sync_api import Browser, CDPSession, sync_playwright

from .engine_store import fill, run_async
from .load import HOST
from .processes import TOKEN, Server, opsboard_server
from .report import Bar, print_table, progress
from .traffic import END_MS, Traffic

MAX_SCRIPT_KB, MAX_STYLE_KB = 60.0, 15.0
MAX_PAINT_MS = 500.0
MAX_REDRAW_MS = 50.0
MAX_CPU = 0.15
MAX_GROWTH_MIB = 4.0

HOUR_MS = 3_600_000
OWN_PAGES_MS = 3_000
"""How long a new window of Chromium is left alone: it works for a second on pages of its own."""
CHARTS, POINTS = 12, 2_000
UPDATES_A_SECOND = 10

_PACKAGES = Path(__file__).parent.parent / "src/adapters/http/dashboard/node_modules"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"]
_WHEN_PAINTED = """
window.painted = new Promise((resolve) => new MutationObserver((_, observer) => {
  if (document.querySelector(".headline h1")) {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  }
}).observe(document, {childList: true, subtree: true}));
"""
_REDRAWS = """
([charts, points, rounds]) => {
  const x = Array.from({length: points}, (_, i) => 1.7e9 + 60 * i);
  const y = () => x.map((_, i) => 100 + 50 * Math.sin(i / 40) + 20 * Math.random());
  const made = Array.from({length: charts}, () => {
    const holder = document.body.appendChild(document.createElement("div"));
    const series = [{}, {stroke: "#3b5bdb", points: {show: false}}];
    return new uPlot({width: 640, height: 180, legend: {show: false}, series}, [x, y()], holder);
  });
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const data = made.map(() => [x, y()]);
    const start = performance.now();
    made.forEach((chart, i) => chart.batch(() => chart.setData(data[i])));
    times.push(performance.now() - start);
  }
  made.forEach((chart) => chart.destroy());
  return times;
}
"""


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the table, give the bars."""
    samples, starts, seconds = (1_000_000, 3, 20) if quick else (100_000_000, 5, 600)
    script, style = _weights()
    with TemporaryDirectory() as name:
        progress(f"dashboard: a store of {samples:,} samples")
        store = run_async(fill(Path(name) / "store", Traffic(samples)))  # before Playwright's loop
        with _browsing() as browser:
            paints = [_painted_ms(browser, store.path.parent) for _ in range(starts)]
            with opsboard_server(Path(name)) as server:
                redraw = _redraw_ms(browser, server)
                cpu, growth = _while_open(browser, server, seconds)
    print_table(
        "The dashboard in a headless Chromium",
        ["", ""],
        [
            ["script, gzipped KB", f"{script:.1f}"],
            ["style, gzipped KB", f"{style:.1f}"],
            [f"first useful paint, {samples:,} samples, ms", f"{median(paints):.0f}"],
            [f"{CHARTS} charts of {POINTS:,} points drawn anew, ms", f"{redraw:.1f}"],
            [f"share of a core at {UPDATES_A_SECOND} events/s", f"{cpu:.3f}"],
            [f"growth over {seconds} s, MiB", f"{growth:.2f}"],
        ],
    )
    return [
        Bar("script, gzipped", script, MAX_SCRIPT_KB, unit=" KB"),
        Bar("style, gzipped", style, MAX_STYLE_KB, unit=" KB"),
        Bar("first useful paint after a cold start", median(paints), MAX_PAINT_MS, unit=" ms"),
        Bar(f"{CHARTS} charts drawn anew", redraw, MAX_REDRAW_MS, unit=" ms"),
        Bar(f"the page's share of a core at {UPDATES_A_SECOND} events/s", cpu, MAX_CPU),
        Bar(f"growth of the page in {seconds} s", growth, MAX_GROWTH_MIB, unit=" MiB"),
    ]


def _weights() -> tuple[float, float]:
    """KB of script and of style. Raises `RuntimeError` where the page was not built."""
    dashboard = Dashboard.read()
    if dashboard is None:
        raise RuntimeError("the dashboard is not built: make page")
    script, style = (
        sum(len(file.compressed) for file in dashboard.assets.values() if file.media_type == kind)
        for kind in ("text/javascript", "text/css")
    )
    return script / 1000, style / 1000


@contextmanager
def _browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


def _painted_ms(browser: Browser, folder: Path) -> float:
    """From going to the page until the services stand there; server and cache both new.

    The browser's window was opened before, and has loaded what a browser loads for itself.
    """
    since, until = (format_instant((END_MS - ago) * NS_PER_MS) for ago in (HOUR_MS, 0))
    page = browser.new_context().new_page()
    page.add_init_script(_WHEN_PAINTED)
    page.wait_for_timeout(OWN_PAGES_MS)
    with opsboard_server(folder) as server:
        server.get("/livez")
        page.goto(f"http://{HOST}:{server.port}/?since={since}&until={until}")
        painted: float = page.evaluate("painted")
        page.context.close()
    return painted


def _redraw_ms(browser: Browser, server: Server) -> float:
    page = browser.new_context().new_page()
    page.goto(f"http://{HOST}:{server.port}/docs")
    page.evaluate((_PACKAGES / "uplot/dist/uPlot.iife.min.js").read_text() + "; undefined")
    times: list[float] = page.evaluate(_REDRAWS, [CHARTS, POINTS, 20])
    page.context.close()
    return median(times)


def _while_open(browser: Browser, server: Server, seconds: int) -> tuple[float, float]:
    """The page's share of a core, and the MiB that it grew by, while events come in."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    done = Event()
    talker = Thread(target=_talk, args=(server.port, done))
    talker.start()
    try:
        page.goto(f"http://{HOST}:{server.port}/?view=events&last=15m")
        page.wait_for_selector(".event-row >> nth=40")
        page.wait_for_timeout(1_000 * min(60, seconds))
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        before, busy = _heap_mib(session), _busy_seconds(session)
        page.wait_for_timeout(1_000 * seconds)
        cpu = (_busy_seconds(session) - busy) / seconds
        return cpu, _heap_mib(session) - before
    finally:
        done.set()
        talker.join()
        page.context.close()


def _talk(port: int, done: Event) -> None:
    """Post so many events a second until told to stop."""
    connection = HTTPConnection(HOST, port)
    headers = {"X-Ops-Token": TOKEN, "Content-Type": "application/json"}
    body = '{"level": "INFO", "type": "OPS", "message": "one of many", "meta": {"n": 1}}'
    while not done.wait(1 / UPDATES_A_SECOND):
        connection.request("POST", "/events", body, headers)
        connection.getresponse().read()
    connection.close()


def _busy_seconds(session: CDPSession) -> float:
    """How long the page's thread has worked."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _heap_mib(session: CDPSession) -> float:
    """What is left after the garbage is gone."""
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 2**20
