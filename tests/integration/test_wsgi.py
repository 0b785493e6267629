"""The latency middleware inside WSGI frameworks."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import opsboard
import pytest
from flask import Blueprint, Flask, Response
from opsboard.domain.sample import RequestSample, SeriesKey
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from ..fakes import ManualClock


class Seen:
    """A sink that keeps what it is given, from any thread."""

    def __init__(self) -> None:
        self.keys: list[SeriesKey] = []
        self.samples: list[RequestSample] = []
        self.errors: list[tuple[str, str, str, str]] = []
        self._lock = threading.Lock()

    def series(self, key: SeriesKey) -> int:
        with self._lock:
            self.keys.append(key)
            return len(self.keys) - 1

    def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
        self.samples.append(RequestSample(self.keys[series], latency_ns, ended_at))

    def caught(self, error: Exception, *, service: str, route: str, method: str) -> None:
        self.errors.append((str(error), service, route, method))

    def rows(self) -> list[tuple[str, str, int]]:
        return [(s.series.route, s.series.method, s.series.status_code) for s in self.samples]


@pytest.fixture
def seen() -> Seen:
    return Seen()


def flask_app() -> Flask:
    app = Flask("shop")
    team = Blueprint("team", "shop", url_prefix="/teams/<team>")

    @app.get("/items/<int:id>")
    def item(id: int) -> dict[str, int]:
        return {"id": id}

    @team.get("/items/<path:rest>")
    def of_team(team: str, rest: str) -> str:
        return team + rest

    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError("a bug")

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter(["a", "b", "c"]))

    app.register_blueprint(team)
    return app


App = Callable[..., Iterable[bytes]]


def call(app: App, path: str = "/", method: str = "GET", read: int = 1_000) -> tuple[str, bytes]:
    """One request, as a server makes it, which goes away after `read` parts."""
    environ: dict[str, Any] = {
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
    }
    setup_testing_defaults(environ)
    environ["wsgi.file_wrapper"] = FileWrapper
    started: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., object]:
        started.append(status)
        return lambda data: None

    body = app(environ, start_response)
    parts = []
    try:
        for part in body:
            parts.append(part)
            if len(parts) >= read:
                break
    finally:
        if hasattr(body, "close"):
            body.close()
    return started[-1], b"".join(parts)


def watched(app: Any, seen: Seen) -> App:
    return opsboard.WsgiLatencyMiddleware(app, service="shop", to=seen)


def test_flask_routes_are_recorded_as_templates(seen: Seen) -> None:
    app = watched(flask_app(), seen)
    for path in ("/items/1", "/items/2", "/teams/a/items/b/c", "/nope", "/items/x"):
        call(app, path)
    call(app, "/items/1", "POST")
    call(app, "/items/1", "BREW")
    assert seen.rows() == [
        ("/items/{id}", "GET", 200),
        ("/items/{id}", "GET", 200),
        ("/teams/{team}/items/{rest}", "GET", 200),
        ("(unmatched)", "GET", 404),
        ("(unmatched)", "GET", 404),
        ("(unmatched)", "POST", 405),
        ("(unmatched)", "_OTHER", 405),
    ]


def test_as_flask_has_it_wrapped(seen: Seen) -> None:
    app = flask_app()
    app.wsgi_app = watched(app.wsgi_app, seen)  # type: ignore[method-assign]
    assert app.test_client().get("/items/7").json == {"id": 7}
    assert seen.rows() == [("/items/{id}", "GET", 200)]


def test_an_app_below_a_mount_has_the_mount_in_its_routes(seen: Seen) -> None:
    app = watched(DispatcherMiddleware(flask_app(), {"/v2": flask_app()}), seen)
    for path in ("/v2/items/1", "/items/1"):
        call(app, path)
    assert [row[0] for row in seen.rows()] == ["/v2/items/{id}", "/items/{id}"]


def test_what_flask_answers_for_a_handler_that_raised_is_500(seen: Seen) -> None:
    assert call(watched(flask_app(), seen), "/fails")[0].startswith("500")
    assert seen.rows() == [("/fails", "GET", 500)]


def test_what_a_handler_raised_is_handed_over(seen: Seen) -> None:
    flask = flask_app()
    flask.testing = True
    with pytest.raises(RuntimeError, match="a bug"):
        call(watched(flask, seen), "/fails")
    assert seen.rows() == [("/fails", "GET", 500)]
    assert seen.errors == [("a bug", "shop", "/fails", "GET")]


def test_a_stream_counts_when_it_ends(seen: Seen, clock: ManualClock) -> None:
    closed: list[bool] = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            for part in (b"a", b"b"):
                clock.advance(1_000)
                assert seen.samples == []
                yield part

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Parts()

    middleware = opsboard.WsgiLatencyMiddleware(
        app, service="shop", to=seen, now=clock.now, monotonic=clock.monotonic
    )
    assert call(middleware) == ("200 OK", b"ab")
    assert [sample.latency_ns for sample in seen.samples] == [2_000]
    assert closed == [True]


def test_what_was_sent_counts_when_the_client_went_away(seen: Seen) -> None:
    assert call(watched(flask_app(), seen), "/stream", read=1)[1] == b"a"
    assert seen.rows() == [("/stream", "GET", 200)]


def test_a_stream_that_raises_counts_as_500(seen: Seen) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        call(watched(app, seen))
    assert seen.rows() == [("(unmatched)", "GET", 500)]
    assert seen.errors[0][0] == "half way"


def test_a_generator_starts_its_answer_when_it_is_read(seen: Seen) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("404 Not Found", [])
        yield b""

    call(watched(app, seen))
    assert seen.rows() == [("(unmatched)", "GET", 404)]


def test_a_second_start_replaces_the_first(seen: Seen) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("502 Bad Gateway", [], (None, None, None))
        return [b"x"]

    call(watched(app, seen))
    assert seen.rows() == [("(unmatched)", "GET", 502)]


def test_a_file_is_left_to_the_server(seen: Seen, tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"content")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]((tmp_path / "f").open("rb"))

    environ: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper, "REQUEST_METHOD": "GET"}
    body = watched(app, seen)(environ, lambda *_: None)
    assert isinstance(body, FileWrapper)
    body.close()
    assert seen.rows() == [("(unmatched)", "GET", 200)]


def test_it_keeps_to_the_rules_of_wsgi(seen: Seen) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a"

    inside_and_out = validator(watched(validator(app), seen))
    assert call(inside_and_out)[1] == b"a"
    assert len(seen.samples) == 1


def test_threads_are_counted_each(seen: Seen) -> None:
    app = watched(flask_app(), seen)
    threads = [
        threading.Thread(target=lambda: [call(app, "/items/1") for _ in range(25)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.rows() == [("/items/{id}", "GET", 200)] * 200


def test_a_sink_that_fails_is_not_the_requests_fault(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Seen):
        def observe(self, series: int, latency_ns: int, ended_at: int) -> None:
            raise MemoryError("no room")

    def app(environ: Any, start_response: Any) -> Any:
        raise RuntimeError("a bug")

    with suppress(RuntimeError):
        call(watched(app, Broken()))
    assert "a request could not be recorded" in caplog.text


async def test_a_board_on_a_loop_is_refused() -> None:
    async with opsboard.open("memory:") as board:
        with pytest.raises(ValueError, match=r"^to: "):
            opsboard.WsgiLatencyMiddleware(flask_app(), service="shop", to=board)
