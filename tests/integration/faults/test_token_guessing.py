"""Whoever tries one token after the other is soon not listened to; nobody else suffers."""

from collections.abc import Iterator

import httpx
import pytest
from opsboard.adapters.http.attempts import MAX_FAILURES

from ..server import TOKEN, Server, serving
from ..test_http_contract import problem

EVENT = {"level": "INFO", "type": "OPS", "message": "guessed"}
ATTACKER, APP = "203.0.113.9", "198.51.100.7"


@pytest.fixture(scope="module")
def attacked() -> Iterator[Server]:
    with serving("memory:", OPS_READ_TOKEN="for-reading") as server:
        for n in range(MAX_FAILURES):
            problem(post(server, f"guess-{n}", ATTACKER), 401)
        yield server


def post(server: Server, token: str, client: str, path: str = "/events") -> httpx.Response:
    """As a proxy on the server's machine passes it on."""
    headers = {"X-Ops-Token": token, "X-Forwarded-For": f"192.0.2.1, {client}"}
    return server.client.post(path, json=EVENT, headers=headers)


def test_a_guesser_is_not_listened_to_even_where_it_is_right(attacked: Server) -> None:
    for token in ("guess-99", TOKEN):
        refused = post(attacked, token, ATTACKER)
        problem(refused, 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 61
    otlp = post(attacked, TOKEN, ATTACKER, "/v1/logs")
    assert (otlp.status_code, otlp.json()["code"]) == (429, 8)
    headers = {"X-Ops-Token": TOKEN, "X-Forwarded-For": ATTACKER}
    for path in ("/events", "/metrics", "/session", "/plain"):
        problem(attacked.client.get(path, headers=headers), 429)
    assert attacked.client.get("/livez", headers=headers).is_success


def test_a_right_token_from_elsewhere_is_not_touched(attacked: Server) -> None:
    assert post(attacked, TOKEN, APP).status_code == 200


def test_it_is_counted_and_said(attacked: Server) -> None:
    post(attacked, TOKEN, ATTACKER)
    headers = {"X-Ops-Token": TOKEN, "X-Forwarded-For": APP}
    text = attacked.client.get("/metrics", headers=headers | {"Accept": "text/plain"}).text
    assert f'opsboard_tokens_refused_total{{reason="wrong"}} {MAX_FAILURES}\n' in text
    assert 'opsboard_tokens_refused_total{reason="limited"}' in text
    said: list[dict[str, object]] = []
    while not said:
        said = attacked.client.get("/events?type=SECURITY", headers=headers).json()
    (event,) = said
    assert event["level"] == "WARN"
    assert event["service"] == "opsboard"
    assert event["meta"] == {"type": "SECURITY", "client.address": ATTACKER}
