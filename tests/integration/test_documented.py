"""What there is, is documented; what the documentation names, is there."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import opsboard
import pytest
import yaml  # type: ignore[import-untyped]
from opsboard.adapters import histogram_segment, rollup_blob, segment
from opsboard.adapters.encoding import CODEC
from opsboard.adapters.http import (
    attempts,
    body,
    content_coding,
    error_routes,
    event_broadcast,
    event_routes,
    event_stream,
    sample_bodies,
    sample_routes,
    session,
)
from opsboard.adapters.http.app import create_app
from opsboard.adapters.http.otlp import export
from opsboard.adapters.sqlite import folds, rollup_rows, writer
from opsboard.adapters.sqlite import schema as schema_
from opsboard.application import (
    health,
    project_errors,
    query_deploys,
    query_events,
    query_series,
    record,
)
from opsboard.domain import error_group, event, histogram, keyed_samples, words
from opsboard.domain.retention import DEFAULT_RETENTION
from opsboard.entrypoints import cli, protocol, turns
from opsboard.entrypoints import server as server_process
from opsboard.entrypoints.settings import Settings

from ..documentation import PAGES, ROOT, blocks

REFERENCE = ROOT / "docs" / "reference"
ALL_PAGES = [*PAGES, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]


def section(page: Path, title: str) -> str:
    """What a page says under a heading, up to the next one of that rank."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"{page.name} has no section {title!r}"
    return found[1]


@pytest.mark.parametrize("flag", cli._SERVE_FLAGS)
def test_every_setting_is_documented(flag: str) -> None:
    name, _ = cli._SERVE_FLAGS[flag]
    page = (REFERENCE / "settings.md").read_text()
    assert re.search(rf"^\| \[`{name}`\]\(.*\) \| `--{flag}` \|", page, re.MULTILINE)
    assert re.search(rf"^## .*\b{name}\b", page, re.MULTILINE)


def test_documented_defaults_are_the_defaults() -> None:
    page = (REFERENCE / "settings.md").read_text()
    settings = Settings.load({})
    for value in (
        settings.store,
        settings.host,
        settings.port,
        DEFAULT_RETENTION,
        settings.max_series,
    ):
        assert f"| `{value}` |" in page


@pytest.mark.parametrize("name", cli.command.commands)
def test_every_command_and_option_is_documented(name: str) -> None:
    said = section(REFERENCE / "cli.md", f"opsboard {name}")
    for parameter in cli.command.commands[name].params:
        if isinstance(parameter, click.Option):
            assert f"| `{parameter.opts[0]}` |" in said
        else:
            assert parameter.human_readable_name in said
    documented = set(re.findall(r"^\| `(--[a-z-]+)` \|", said, re.MULTILINE))
    assert documented <= {option for p in cli.command.commands[name].params for option in p.opts}


@pytest.fixture
async def schema() -> Any:
    app = create_app(opsboard.open("memory:"), api_token=None, read_token=None, version="0")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return (await client.get("/openapi.json")).json()


def operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method != "head":
                yield method.upper(), path, operation


def test_every_route_and_parameter_is_documented(schema: Any) -> None:
    page = REFERENCE / "http.md"
    overview = section(page, "Routes")
    for method, path, operation in operations(schema):
        assert re.search(
            rf"^\| \[`{re.escape(path)}`\]\(.*\) \| .*{method}", overview, re.MULTILINE
        )
        said = section(page, f"{method} {path}")
        for parameter in operation.get("parameters", ()):
            assert f"`{parameter['name']}`" in said
        for field in fields_of_body(schema, operation):
            assert f"| `{field}` |" in said


def fields_of_body(schema: Any, operation: Any) -> Iterator[str]:
    for media in operation.get("requestBody", {}).get("content", {}).values():
        name = media["schema"].get("$ref", "").rpartition("/")[2]
        if name:
            yield from schema["components"]["schemas"][name]["properties"]


def test_documented_parameters_exist(schema: Any) -> None:
    for method, path, operation in operations(schema):
        if method == "GET":
            said = section(REFERENCE / "http.md", f"GET {path}")
            _, _, table = said.partition("| parameter | meaning |\n")
            documented = re.findall(r"^\| `(\w+)`", table.partition("\n\n")[0], re.MULTILINE)
            parameters = operation.get("parameters", ())
            taken = [p["name"] for p in parameters if p["in"] != "header"]
            assert sorted(documented) == sorted(taken), path


@pytest.mark.parametrize("name", opsboard.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert section(REFERENCE / "python.md", f"opsboard.{name}".replace("_", "\\_"))


@pytest.mark.parametrize("name", [n for n in vars(opsboard.Opsboard) if n[0] != "_"])
def test_every_public_method_is_documented(name: str) -> None:
    assert f"\n### {name}\n" in section(REFERENCE / "python.md", "opsboard.Opsboard")


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    page = (ROOT / "CONTRIBUTING.md").read_text()
    documented = re.findall(r"^\| `make ([a-z]+)` \|", page, re.MULTILINE)
    assert sorted(documented) == sorted(targets)
    for target in ("serve", "test"):
        assert f"$ make {target}\n" in (ROOT / "README.md").read_text()


def test_documented_limits_are_the_limits() -> None:
    said = section(REFERENCE / "http.md", "Limits")
    assert f"{event_routes.MAX_BODY_BYTES:,} bytes, within {body.BODY_DEADLINE_SECONDS:.0f}" in said
    assert f"{event.MAX_META_BYTES:,} bytes encoded, {event.MAX_META_DEPTH} levels" in said
    assert f"{event.MAX_MESSAGE_LENGTH:,} and {event.MAX_SERVICE_LENGTH} characters" in said
    assert f"{sample_routes.MAX_BODY_BYTES:,} bytes after decompression" in said
    assert f"{sample_bodies.MAX_ROWS:,} samples |" in said
    window = content_coding.MAX_WINDOW_BYTES // 1024**2
    assert f"| {content_coding.MAX_CODINGS}; {window} MiB |" in said
    held = content_coding.MAX_HELD_BYTES // 1024**2
    assert f"| bodies that are being read, all together | {held} MiB; above" in said
    route, method = keyed_samples.MAX_ROUTE_LENGTH, keyed_samples.MAX_METHOD_LENGTH
    assert f"{route:,}, {method} and {event.MAX_SERVICE_LENGTH} characters" in said
    assert f"| {record.MAX_RECORDING_SAMPLES:,}; above that 503" in said
    otlp = "body of `POST /v1/traces`, `/v1/logs` and `/v1/metrics`"
    assert f"| {otlp} | {export.MAX_BODY_BYTES:,} bytes" in said
    assert f"| `q` | {words.MAX_QUERY_LENGTH} " in said
    assert f"| `limit` | {query_events.MAX_PAGE} |" in said
    assert f"| `limit` of `GET /deploys` | {query_deploys.MAX_DEPLOYS} |" in said
    limits = protocol.Limits()
    assert f"| connections | {limits.answered:,} |" in said
    assert f"Above {limits.answered:,} connections" in said
    assert f"above {limits.connections:,} a connection" in said
    assert f"headers | {limits.head_bytes:,} bytes, within {limits.head_seconds:.0f} sec" in said
    assert f"| {query_series.MAX_POINTS:,} in time, and {query_series.MAX_VALUES:,} over" in said
    waiting = f"{writer.MAX_WAITING:,}, and {writer.MAX_WAITING_BYTES // 1024**2} MiB"
    assert (
        f"| {waiting}; above that, or where more than {writer.CROWD:,} wait and the first of "
        in said
    )
    assert f"for {writer.PATIENCE_SECONDS} seconds" in said
    assert f"| {turns.CROWD}; of more, those that waited for {turns.PATIENCE_SECONDS} sec" in said
    assert f"| wrong tokens | {attempts.MAX_FAILURES} a minute" in said
    assert (
        f"ends after {session.LIFETIME_SECONDS // 86_400} days"
        in (REFERENCE / "http.md").read_text()
    )
    assert f"| open event streams | {event_broadcast.MAX_STREAMS}; above" in said
    assert f"takes nothing of an answer | {limits.stalled_seconds:.0f} seconds" in said
    assert f"| {record.MAX_WAITING_SAMPLES:,}; above" in said
    assert f"`POST /errors/...` | {error_routes.MAX_CHANGE_BYTES:,} bytes" in said
    assert f"| error groups | {error_group.MAX_GROUPS:,}, and {error_group.MAX_NAMES} serv" in said
    page = (REFERENCE / "http.md").read_text()
    assert f"the {error_group.MAX_EVENTS} newest events" in page
    assert f"at most {error_group.MAX_MESSAGE_LENGTH} characters" in page
    assert f"at most {error_group.MAX_BY_LENGTH} characters" in page
    assert f"at most {error_group.MAX_NOTE_LENGTH} characters" in page
    for step, name in ((error_group.HOUR_NS, "1h"), (error_group.DAY_NS, "1d")):
        assert f"`{name}`, {error_group.TREND_POINTS[step]} of them" in page
    assert f"every {event_broadcast.HEARTBEAT_SECONDS:.0f} seconds" in page
    assert f"asks for {event_stream.RECONNECT_MS // 1000} seconds" in page
    assert f"over {event_broadcast.MAX_LAG:,} events" in page
    assert f"one that gives at most {query_series.DEFAULT_POINTS} points" in page
    assert f"within {100 * histogram.MAX_ERROR:.1f} % of the exact" in page
    assert f"at most {health.MAX_LAG_ENTRIES:,} entries behind" in page
    assert (
        f"for at most {server_process.GRACE_SECONDS} seconds" in (REFERENCE / "cli.md").read_text()
    )


def test_the_file_is_documented_as_it_is() -> None:
    page = (REFERENCE / "file-format.md").read_text()
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema_.create(connection)
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    tables = {name for (name,) in found if not name.startswith(("sqlite_", "event_words_"))}
    documented = section(REFERENCE / "file-format.md", "Tables")
    assert set(re.findall(r"`(\w+)`", documented.partition("\nThe tables")[0])) >= tables
    assert f"user version is the schema version, {schema_.VERSION}." in page
    for name, kind in CODEC._kinds.items():
        for version in range(1, kind.newest + 1):
            assert re.search(rf"^\| `{name}` \| `\w+` \| {version} \|", page, re.MULTILINE)
    for magic in (
        segment._MAGIC,
        histogram_segment._MAGIC,
        rollup_blob._MAGIC,
        rollup_rows._SERIES_MAGIC,
        rollup_rows._STREAMS_MAGIC,
    ):
        assert f"`{magic.decode()}`" in page
    assert f"`{folds._MAGIC.decode()}`" in page
    for name in (
        rollup_rows.TOTAL,
        rollup_rows.EXPIRED,
        rollup_rows.SERIES,
        rollup_rows.STREAMS,
        rollup_rows.SETTLED_UPTO,
        project_errors.GROUPS,
        project_errors.SETTLED,
    ):
        assert f"| `{name}` |" in section(REFERENCE / "file-format.md", "Saved folds")


def test_compose_and_the_image_use_settings_that_exist() -> None:
    settings = {name for name, _ in cli._SERVE_FLAGS.values()}
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["opsboard"]
    assert set(service["environment"]) <= settings
    image = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"\bOPS_[A-Z_]+", image)) <= settings
    guide = (ROOT / "docs/how-to/run-with-docker.md").read_text()
    for setting in re.findall(r"OPS_(?:HOST|PORT|STORE)=\S+", image):
        assert f"`{setting}`" in guide
    assert service["ports"] == ["127.0.0.1:8000:8000"]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", title.replace("\\", "")) for title in titles)
    return {title.lower().replace(" ", "-") for title in kept}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_reached_from_the_map() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            links = re.findall(r"\]\(([^):#\s]+)", page.read_text())
            todo.extend((page.parent / link).resolve() for link in links)
    assert set(PAGES) <= seen


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_escapes_its_test(page: Path) -> None:
    text = page.read_text()
    seen = [block for _, block in blocks(text)]
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(seen)
    for block in seen:
        assert block.directive != "not run" or len(block.value) > 10, block
