"""Deploys over a real connection."""

import pytest

from .. import patience
from .server import Server


def test_a_deploy_is_shown_with_its_service_before_and_after(server: Server) -> None:
    for _ in range(120):
        server.client.get("/livez")
    patience.next_millisecond()
    event = server.post_event(type="DEPLOY", service="opsboard", message="2.0").json()
    for _ in range(130):
        server.client.get("/events/9")
    (deploy,) = server.client.get("/deploys", params={"service": "opsboard"}).json()
    assert deploy["event"] == event
    assert deploy["before"]["count"] == 120
    assert deploy["after"]["count"] == 131
    assert deploy["before"]["until"] == deploy["after"]["since"] == event["ts"]
    assert deploy["before"]["errors"] == deploy["after"]["errors"] == 0
    assert 0 < deploy["before"]["p50_ms"] <= deploy["before"]["p95_ms"]
    assert deploy["state"] in {"same", "better", "worse"}
    assert sum(deploy["latency"]["after"]) == 131
    assert server.client.get("/deploys", params={"service": "shop"}).json() == []


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"window": "1s"}, "window"),
        ({"window": "soon"}, "window"),
        ({"limit": "0"}, "limit"),
        ({"limit": "51"}, "limit"),
        ({"last": "1h", "until": "2026-01-31T09:30:00Z"}, "last"),
        ({"before": "3"}, "before"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shared_server: Server, params: dict[str, str], named: str
) -> None:
    answer = shared_server.client.get("/deploys", params=params)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [named]
