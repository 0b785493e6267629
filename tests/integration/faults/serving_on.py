"""What the tests of a store that fails ask a real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx

from ..server import Server, run

READS = ("/livez", "/metrics", "/metrics/series?last=1h", "/events?q=kept", "/overview", "/errors")
MAX_TRIES = 3_000


def until(server: Server, path: str, status: int) -> httpx.Response:
    """The first answer of this status; the server gets a moment of its own with each try."""
    for _ in range(MAX_TRIES):
        answer = server.client.get(path)
        if answer.status_code == status:
            return answer
    raise AssertionError(f"{path} stays {answer.status_code}: {answer.text}")


def refused(server: Server, size: int = 2_000) -> httpx.Response:
    """The first answer to a write that is no success."""
    for number in count():
        answer = server.post_event(message=f"kept {number}", meta={"filler": "x" * size})
        if answer.status_code != httpx.codes.OK:
            return answer
        assert number < MAX_TRIES
    raise AssertionError("never")


def check_refusal(answer: httpx.Response, reason: str) -> None:
    """A 503 that says why, and when to come again."""
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert reason in answer.json()["detail"]


def check_reads(server: Server) -> None:
    for path in READS:
        answer = server.client.get(path)
        assert answer.status_code == httpx.codes.OK, (path, answer.text)


def messages(server: Server) -> list[str]:
    """Of every event, the oldest first."""
    found: list[str] = []
    answer = server.client.get("/events?limit=500")
    while True:
        found += [event["message"] for event in answer.json()]
        if "next" not in answer.links:
            return found[::-1]
        answer = server.client.get(answer.links["next"]["url"])


def check_verified(store: str) -> None:
    verified = run("verify", "--store", store)
    assert verified.returncode == 0, verified.stdout


@contextmanager
def nothing_lost(server: Server) -> Iterator[None]:
    """What was there before is there after it, in its place."""
    before = messages(server)
    yield
    assert messages(server)[: len(before)] == before
