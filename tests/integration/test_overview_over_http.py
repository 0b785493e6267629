"""What the page opens with, over a real connection."""

import pytest

from .server import Server


def test_the_overview_has_every_service(server: Server) -> None:
    server.client.get("/livez")
    body = server.client.get("/overview", params={"last": "15m"}).json()
    assert list(body) == [
        "since",
        "until",
        "before_since",
        "now",
        "before",
        "services",
        "attention",
    ]
    (service,) = body["services"]
    assert service["service"] == "opsboard"
    assert service["state"] == "ok"
    assert service["now"] == body["now"]
    assert body["now"]["count"] == 1
    assert body["before"]["p95_ms"] is None
    assert body["attention"] == []


def test_the_slowest_requests_are_listed(server: Server) -> None:
    server.client.get("/livez")
    server.client.get("/events/9")
    rows = server.client.get("/samples/slowest", params={"status_code": 404}).json()
    assert [(r["service"], r["route"], r["method"], r["status_code"]) for r in rows] == [
        ("opsboard", "/events/{id}", "GET", 404)
    ]
    assert rows[0]["latency_ms"] > 0
    assert len(server.client.get("/samples/slowest", params={"limit": 1}).json()) == 1


@pytest.mark.parametrize(
    ("path", "params", "named"),
    [
        ("/overview", {"last": "soon"}, "last"),
        ("/overview", {"route": "/"}, "route"),
        ("/overview", {"since": "2100-01-01T00:00:00Z"}, "until"),
        ("/samples/slowest", {"limit": "0"}, "limit"),
        ("/samples/slowest", {"limit": "101"}, "limit"),
        ("/samples/slowest", {"status_code": "x"}, "status_code"),
        ("/samples/slowest", {"as_of": "2026-01-31T09:30:00Z"}, "as_of"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shared_server: Server, path: str, params: dict[str, str], named: str
) -> None:
    answer = shared_server.client.get(path, params=params)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [named]
