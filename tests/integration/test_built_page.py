"""The dashboard's files over HTTP, from a folder that stands in for the build."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import opsboard
import pytest
from opsboard.adapters.http import built_page
from opsboard.adapters.http.app import create_app

BROWSER = {"Accept": "text/html"}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<script src="./assets/app-1a2b.js"></script>')
    (tmp_path / "assets" / "app-1a2b.js").write_text("let answer = 42")
    monkeypatch.setattr(built_page, "BUILT", tmp_path)
    return tmp_path


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with opsboard.open("memory:") as board:
        app = create_app(board, api_token=None, read_token="reads", version="0")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def test_a_browser_gets_the_dashboard_without_a_token(
    built: Path, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/", headers=BROWSER)
    assert answer.text == '<script src="./assets/app-1a2b.js"></script>'
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert (await client.get("/")).json() == {"ok": True}


async def test_an_asset_is_kept_for_ever_and_compressed_for_those_who_take_it(
    built: Path, client: httpx.AsyncClient
) -> None:
    plain = await client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == b"let answer = 42"
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" in plain.headers["cache-control"]
    async with client.stream("GET", "/assets/app-1a2b.js") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert gzip.decompress(raw) == plain.content


@pytest.mark.parametrize("name", ["app-9.js", "..%2Findex.html", "index.html", ""])
async def test_no_other_file_is_given(built: Path, client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/assets/{name}")).status_code == 404


async def test_without_a_build_the_plain_page_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(built_page, "BUILT", tmp_path)
    async with opsboard.open("memory:") as board:
        app = create_app(board, api_token=None, read_token="reads", version="0")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as other:
            assert (await other.get("/", headers=BROWSER)).status_code == 401
            answer = await other.get("/", headers=BROWSER, auth=("", "reads"))
    assert "<script" not in answer.text
    assert "Endpoints" in answer.text
