"""Signing in at a real server, as a browser does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opsboard.adapters.http.attempts import MAX_FAILURES

from . import plain_http
from .server import TOKEN, Server, serving
from .sse import streaming

READ = "for-reading"
EVENT = {"level": "INFO", "type": "OPS", "message": "from the page"}
OWN = {"X-Ops-CSRF": "1", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = f"sqlite:///{tmp_path_factory.mktemp('guarded') / 'ops.db'}"
    with serving(store, OPS_READ_TOKEN=READ) as server:
        yield server


@pytest.fixture
def browser(guarded: Server) -> Iterator[httpx.Client]:
    """Somebody with no token, and a cookie jar."""
    with plain_http.client(guarded.url) as client:
        yield client


def sign_in(browser: httpx.Client, token: str, **headers: str) -> httpx.Response:
    return browser.post("/session", json={"token": token}, headers=headers)


def state(browser: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = browser.get("/session").json()
    return found


def test_a_session_reads_until_it_is_signed_out(browser: httpx.Client) -> None:
    assert browser.get("/events").status_code == 401
    assert state(browser) == {
        "may_read": False,
        "may_write": False,
        "writes_open": True,
        "expires": None,
    }
    answer = sign_in(browser, READ)
    assert answer.status_code == 200
    assert answer.json()["may_read"] is True
    assert answer.json()["may_write"] is False
    cookie = answer.headers["set-cookie"]
    assert READ not in cookie
    assert re.fullmatch(
        r"opsboard_session=[\w.]+; Max-Age=604800; Path=/; HttpOnly; SameSite=Strict", cookie
    )
    for path in ("/events", "/metrics", "/deploys", "/services", "/openapi.json", "/plain"):
        assert browser.get(path).status_code == 200
    assert state(browser) == answer.json()
    with streaming(browser) as blocks:
        assert blocks.place.isdecimal()
    signed_out = browser.delete("/session")
    assert (signed_out.status_code, signed_out.content) == (204, b"")
    assert "Max-Age=0;" in signed_out.headers["set-cookie"]
    assert browser.get("/events").status_code == 401


def test_a_session_of_the_read_token_never_writes(browser: httpx.Client) -> None:
    sign_in(browser, READ)
    answer = browser.post("/events", json=EVENT, headers=OWN)
    assert answer.status_code == 401


def test_a_session_of_the_api_token_writes_from_the_own_page_only(
    browser: httpx.Client, guarded: Server
) -> None:
    assert sign_in(browser, TOKEN).json()["may_write"] is True
    assert state(browser)["may_write"] is True
    refused = [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"X-Ops-CSRF": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Ops-CSRF": "1", "Sec-Fetch-Site": "same-site"},
        {"X-Ops-CSRF": "1", "Origin": "http://elsewhere.example"},
    ]
    for headers in refused:
        answer = browser.post("/events", json=EVENT, headers=headers)
        assert answer.status_code == 403, headers
        assert answer.headers["content-type"] == "application/problem+json"
    assert browser.get("/events", params={"q": "from the page"}).json() == []
    for headers in (OWN, {"X-Ops-CSRF": "1", "Origin": guarded.url}):
        assert browser.post("/events", json=EVENT, headers=headers).status_code == 200
    assert len(browser.get("/events", params={"q": "from the page"}).json()) == 2


def test_other_sites_can_not_even_ask_whether_they_may(browser: httpx.Client) -> None:
    """No answer allows another origin anything: a browser then sends no header of its own."""
    asked = {
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-ops-csrf",
    }
    for path in ("/events", "/session"):
        answer = browser.options(path, headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert browser.options("/session").headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


def test_nobody_is_signed_in_or_out_by_another_site(browser: httpx.Client) -> None:
    assert sign_in(browser, READ, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    sign_in(browser, READ)
    answer = browser.delete("/session", headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403
    assert state(browser)["may_read"] is True


def test_a_form_signs_in_without_a_script(browser: httpx.Client) -> None:
    answer = browser.post("/session", data={"token": READ})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/events").status_code == 200


def test_over_tls_the_cookie_stays_there(browser: httpx.Client) -> None:
    answer = sign_in(browser, READ, **{"X-Forwarded-Proto": "https"})
    assert answer.headers["set-cookie"].endswith("; SameSite=Strict; Secure")


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b'{"token": 1}', "application/json", 400),
        (b'{"token": "x", "more": 1}', "application/json", 400),
        (b'{"token": "\\ud800"}', "application/json", 400),
        (b"[" * 5_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"token=a&token=b", "application/x-www-form-urlencoded", 400),
        (b"other=a", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"a=&" * 2_000, "application/x-www-form-urlencoded", 400),
        (json.dumps({"token": "x" * 9_000}).encode(), "application/json", 413),
        (b"token", "text/plain", 415),
    ],
)
def test_what_makes_no_sense_is_refused(
    guarded: Server, content: bytes, content_type: str, status: int
) -> None:
    answer = guarded.client.post(
        "/session", content=content, headers={"Content-Type": content_type}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in answer.headers


def test_a_session_survives_a_restart_and_ends_with_its_token(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store, OPS_READ_TOKEN=READ) as server:
        jar = dict(sign_in(server.client, READ).cookies)
        server.stop()
    with serving(store, OPS_READ_TOKEN=READ) as server:
        server.client.cookies.update(jar)
        assert server.client.get("/events").status_code == 200
    with serving(store, OPS_READ_TOKEN="another") as server:
        server.client.cookies.update(jar)
        assert server.client.get("/events").status_code == 401
        for n in range(MAX_FAILURES):
            assert sign_in(server.client, f"{READ}{n}").status_code == 401
        for token in (READ, "another"):
            answer = sign_in(server.client, token)
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 61


def test_where_nothing_is_guarded_there_is_nothing_to_sign_in_to() -> None:
    with serving("memory:", OPS_API_TOKEN="") as server:
        assert sign_in(server.client, "").status_code == 401
        assert sign_in(server.client, "x").status_code == 401
        assert state(server.client) == {
            "may_read": True,
            "may_write": False,
            "writes_open": False,
            "expires": None,
        }
