"""Error groups over HTTP, on a real server and file."""

import re
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .. import patience
from .server import TOKEN, Server, serving

WRITE = {"X-Ops-Token": TOKEN}
HOSTILE = "<script>alert(1)</script>\u202e\"'><img src=x onerror=1>\n\t$(id) {{7*7}} %s \\u0000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the module: each test asks for a service of its own."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('errors') / 'ops.db'}") as server:
        yield server


def raised(kind: type[Exception], text: str) -> str:
    try:
        raise kind(text)
    except kind:
        return traceback.format_exc()


def fail(server: Server, service: str, kind: type[Exception] = KeyError, **meta: Any) -> int:
    """Post an exception; its id."""
    known = {
        "exception.type": kind.__name__,
        "exception.message": "7",
        "exception.stacktrace": raised(kind, "7"),
        "http.route": "/cart/{id}",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    posted = server.post_event(
        level="ERROR", type="EXCEPTION", service=service, message="failed", meta={**known, **meta}
    )
    assert posted.status_code == 200, posted.text
    return int(posted.json()["id"])


def listed(server: Server, **parameters: Any) -> Any:
    answer = server.client.get("/errors", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_group_is_there_once_its_event_was_answered(server: Server) -> None:
    for n in range(1, 4):
        id = fail(server, "fresh", kind=LookupError)
        (group,) = listed(server, service="fresh")
        assert (group["count"], group["newest_event"]) == (n, id)
    assert group["type"] == "LookupError"
    assert group["services"] == {"fresh": 3}
    assert group["routes"] == [{"service": "fresh", "route": "/cart/{id}", "count": 3}]
    assert (group["state"], group["resolved"], group["reopened"]) == ("open", None, None)
    assert sum(group["trend"]["counts"]) == 3
    assert len(group["trend"]["counts"]) == 24
    (by_day,) = listed(server, service="fresh", step="1d")
    assert (len(by_day["trend"]["counts"]), by_day["trend"]["step_seconds"]) == (30, 86_400)
    detail = server.client.get(f"/errors/{group['fingerprint']}").json()
    assert detail["events"] == [id, id - 1, id - 2]
    assert detail["sample"]["stacktrace"].endswith("LookupError: 7\n")
    assert detail["sample"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert group == {name: detail[name] for name in group}


def test_it_is_resolved_and_comes_back(server: Server) -> None:
    fail(server, "back", kind=BufferError)
    (group,) = listed(server, service="back")
    path = f"/errors/{group['fingerprint']}"
    answers = [
        server.client.post(f"{path}/resolve", json={"by": "ada", "note": "1.4"}, headers=WRITE),
        server.client.post(f"{path}/resolve", headers=WRITE),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json()["state"] == "resolved"
        assert answer.json()["resolved"]["by"] == "ada"
    events = server.client.get("/events", params={"type": "ERROR_RESOLVED", "service": "back"})
    assert len(events.json()) == 1
    assert listed(server, service="back", state="open,reopened") == []
    fail(server, "back", kind=BufferError)
    (group,) = listed(server, service="back", state="reopened")
    assert group["reopened"]["by"] == ""
    server.client.post(f"{path}/resolve", headers=WRITE)
    answer = server.client.post(f"{path}/reopen", json={"by": "bob"}, headers=WRITE)
    assert (answer.json()["state"], answer.json()["reopened"]["by"]) == ("reopened", "bob")


def test_pages_go_on_by_the_link(server: Server) -> None:
    kinds = [KeyError, TypeError, ValueError, OSError, EOFError]
    for kind in kinds:
        fail(server, "paged", kind=kind)
    found: list[str] = []
    path: str | None = "/errors?service=paged&limit=2"
    while path:
        answer = server.client.get(path)
        found += [group["type"] for group in answer.json()]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        path = link[1] if link else None
    assert found == [kind.__name__ for kind in reversed(kinds)]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/errors?state=closed", "state"),
        ("/errors?state=", "state"),
        ("/errors?last=soon", "last"),
        ("/errors?last=1h&since=2026-01-31T09:00:00Z", "last"),
        ("/errors?since=yesterday", "since"),
        ("/errors?limit=501", "limit"),
        ("/errors?before=0", "before"),
        ("/errors?step=5m", "step"),
        ("/errors?q=a AND b", "q"),
        ("/errors?in_state=open", "in_state"),
        ("/errors?state=open&state=open", "state"),
        ("/errors/0123456789abcdef?step=1s", "step"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(
    shared_server: Server, path: str, named: str
) -> None:
    answer = shared_server.client.get(path)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [named]


@pytest.mark.parametrize("action", ["resolve", "reopen"])
def test_a_change_is_refused_as_every_write_is(server: Server, action: str) -> None:
    fail(server, "kept", kind=ArithmeticError)
    (group,) = listed(server, service="kept")
    path = f"/errors/{group['fingerprint']}/{action}"
    post = server.client.post
    for answer, status in (
        (post(path), 401),
        (post(path, headers={"X-Ops-Token": "wrong"}), 401),
        (post(path, headers=WRITE, content=b"{}"), 415),
        (post(path, headers=WRITE, json={"who": "ada"}), 400),
        (post(path, headers=WRITE, json={"by": 7}), 400),
        (post(path, headers=WRITE, json=["ada"]), 400),
        (post(path, headers=WRITE, json={"by": "a" * 81}), 400),
        (post(path, headers=WRITE, json={"note": "a\0"}), 400),
        (post(path, headers=WRITE, json={"note": "a" * 20_000}), 413),
        (post(f"{path}?by=ada", headers=WRITE), 400),
        (post(f"/errors/unknown/{action}", headers=WRITE), 404),
        (post(f"/errors/(other)/{action}", headers=WRITE), 404),
        (server.client.get(path), 405),
        (server.client.get("/errors/unknown"), 404),
        (server.client.get("/errors/%00%ff"), 404),
    ):
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert listed(server, service="kept")[0]["state"] == "open"


def test_what_is_hostile_is_text(server: Server) -> None:
    meta: dict[str, Any] = {
        "exception.type": HOSTILE,
        "exception.message": HOSTILE * 5,
        "exception.stacktrace": "at " + "(" * 5_000 + HOSTILE,
        "http.route": HOSTILE,
        "trace_id": 7,
        "by": {"a": [HOSTILE]},
    }
    fail(server, "hostile", **meta)
    (group,) = listed(server, service="hostile")
    assert group["type"] == HOSTILE
    detail = server.client.get(f"/errors/{group['fingerprint']}").json()
    assert detail["sample"]["trace_id"] is None
    assert detail["routes"][0]["route"] == HOSTILE
    changed = server.client.post(
        f"/errors/{group['fingerprint']}/resolve", headers=WRITE, json={"note": HOSTILE}
    )
    assert changed.json()["resolved"]["note"] == HOSTILE


def test_reading_wants_the_read_token_and_writing_is_closed_without_one() -> None:
    with serving("memory:", OPS_READ_TOKEN="reads", OPS_API_TOKEN="") as server:
        for path in ("/errors", "/errors/unknown"):
            assert server.client.get(path).status_code == 401
        read = {"X-Ops-Token": "reads"}
        assert server.client.get("/errors", headers=read).json() == []
        closed = server.client.post("/errors/unknown/resolve", headers=read)
        assert closed.status_code == 503


def test_groups_outlive_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = f"sqlite:///{tmp_path_factory.mktemp('killed') / 'ops.db'}"
    with serving(store) as server:
        fail(server, "shop")
        (group,) = listed(server)
        path = f"/errors/{group['fingerprint']}/resolve"
        assert server.client.post(path, headers=WRITE).status_code == httpx.codes.OK
        server.process.kill()
        server.process.wait(timeout=patience.SECONDS)
    with serving(store) as server:
        (again,) = listed(server)
        assert (again["fingerprint"], again["state"]) == (group["fingerprint"], "resolved")
        assert server.stop() == 0
