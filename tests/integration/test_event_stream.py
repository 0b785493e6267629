"""Events as they come, over a real connection."""

import threading
from pathlib import Path

import pytest

from .. import patience
from . import plain_http
from .server import TOKEN, Server, run, serving
from .sse import Block, Blocks, streaming


def ids(blocks: Blocks, count: int) -> list[int]:
    return [event["id"] for event in blocks.events(count)]


def test_an_event_comes_as_the_list_has_it(server: Server) -> None:
    with streaming(server.client) as blocks:
        assert blocks.response.headers["content-type"].startswith("text/event-stream")
        assert blocks.place == "0"
        server.post_event(message="line\nbreak   <b>", meta={"text": "a\r\nb"})
        (event,) = blocks.events(1)
        assert blocks.place == "1"
    assert [event] == server.client.get("/events").json()


def test_it_resumes_without_gap_or_double(server: Server) -> None:
    for n in range(5):
        server.post_event(message=f"before {n}")
    with streaming(server.client, after=2) as blocks:
        assert ids(blocks, 2) == [3, 4]
    server.post_event(message="while nobody listens")
    with streaming(server.client, {"Last-Event-ID": blocks.place}, after=0) as blocks:
        assert ids(blocks, 2) == [5, 6]
        server.post_event(message="while somebody does")
        assert ids(blocks, 1) == [7]
    with streaming(server.client, {"Last-Event-ID": ""}, after=6) as blocks:
        assert ids(blocks, 1) == [7]


def test_it_starts_now_if_not_told_otherwise(server: Server) -> None:
    server.post_event()
    with streaming(server.client) as new, streaming(server.client, after=999) as ahead:
        assert (new.place, ahead.place) == ("1", "1")
        server.post_event()
        assert (ids(new, 1), ids(ahead, 1)) == ([2], [2])


@pytest.mark.parametrize(
    "wanted", [{"level": "warn"}, {"type": "DEPLOY"}, {"service": "shop"}, {"q": "second cart*"}]
)
def test_the_filters_are_those_of_the_list(server: Server, wanted: dict[str, str]) -> None:
    with streaming(server.client, None, **wanted) as blocks:
        server.post_event(message="first")
        server.post_event(
            message="the second", level="WARN", type="DEPLOY", service="shop", meta={"a": "carts"}
        )
        server.post_event(message="third")
        server.post_event(message="second carton", level="WARN", type="DEPLOY", service="shop")
        assert ids(blocks, 2) == [2, 4]


def test_what_another_process_recorded_comes_too(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server, streaming(server.client) as blocks:
        said = run("event", "from the shell", "--store", store)
        assert said.returncode == 0, said
        assert [event["message"] for event in blocks.events(1)] == ["from the shell"]


def test_a_tick_says_that_samples_count(server: Server) -> None:
    with streaming(server.client, ticks="true") as blocks:
        server.client.get("/livez")
        (first,) = blocks.events(1, "tick")
        server.post_event()
        server.client.get("/livez")
        second = blocks.events(1, "tick")[0]
        while second["events"] == 0:
            second = blocks.events(1, "tick")[0]
    assert first["samples"] > 0
    assert second["samples"] > first["samples"]
    assert second["events"] == 1


@pytest.mark.parametrize(
    ("params", "headers", "named"),
    [
        ({"after": "-1"}, {}, "after"),
        ({"after": "x"}, {}, "after"),
        ({"level": "LOUD"}, {}, "level"),
        ({"q": "a AND b"}, {}, "q"),
        ({"since": "2026-01-31T09:30:00Z"}, {}, "since"),
        ({"last_event_id": "1"}, {}, "last_event_id"),
        ({}, {"Last-Event-ID": "1.5"}, "Last-Event-ID"),
        ({}, {"Last-Event-ID": "9223372036854775808"}, "Last-Event-ID"),
        ({}, {"Last-Event-ID": "9" * 5_000}, "Last-Event-ID"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shared_server: Server, params: dict[str, str], headers: dict[str, str], named: str
) -> None:
    answer = shared_server.client.get("/events/stream", params=params, headers=headers)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [named]


def test_head_tells_what_get_would(shared_server: Server) -> None:
    answer = shared_server.client.head("/events/stream")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_it_counts_once_it_has_ended(server: Server) -> None:
    def counted() -> int:
        params = {"route": "/events/stream"}
        total: int = server.client.get("/metrics", params=params).json()["requests_total"]
        return total

    with streaming(server.client):
        assert counted() == 0
    assert patience.eventually(counted) == 1


def test_the_read_token_is_wanted(tmp_path: Path) -> None:
    with serving("memory:", OPS_READ_TOKEN="for-reading") as server:
        assert server.client.get("/events/stream").status_code == 401
        for token in ("for-reading", TOKEN):
            with streaming(server.client, {"X-Ops-Token": token}) as blocks:
                assert blocks.place == "0"


def test_open_streams_end_with_the_server() -> None:
    with (
        serving("memory:") as server,
        plain_http.client(server.url) as other,
    ):
        left: list[Block] = []

        def listen(opened: threading.Barrier) -> None:
            with streaming(other) as blocks:
                opened.wait()
                left.extend(blocks)

        opened = threading.Barrier(4)
        listeners = [threading.Thread(target=listen, args=(opened,)) for _ in range(3)]
        for each in listeners:
            each.start()
        opened.wait(patience.SECONDS)
        assert server.stop() == 0
        for each in listeners:
            each.join(patience.SECONDS)
        assert server.process.stdout is not None
        assert "every request was answered" in server.process.stdout.read()
        assert left == []
