"""Bad input: a 4xx problem that names the field, nothing recorded, no trace shown."""

import json
import socket
import uuid
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .. import patience
from ..tries import tries
from .server import TOKEN, Server
from .test_http_contract import problem

JSON = {"X-Ops-Token": TOKEN, "Content-Type": "application/json"}
GOOD = {"level": "INFO", "type": "OPS", "service": "api", "message": "hi", "meta": {}}


def without(field: str) -> dict[str, object]:
    return {name: value for name, value in GOOD.items() if name != field}


def newest(server: Server) -> list[int]:
    return [event["id"] for event in server.client.get("/events?limit=1").json()]


def post(server: Server, body: bytes, **headers: str) -> httpx.Response:
    return server.client.post("/events", content=body, headers=JSON | headers)


def text(field: str, value: str) -> bytes:
    """A body with one field's value as raw JSON."""
    rest = json.dumps(without(field))[:-1]
    return f'{rest}, "{field}": {value}}}'.encode("utf-8", "surrogatepass")


BODIES: list[tuple[bytes, str]] = [
    (b"", ""),
    (b"{", ""),
    (b"[]", ""),
    (b"null", ""),
    (b'"text"', ""),
    (b"NaN", ""),
    (b"\xff\xfe\x00", ""),
    (b'{"level": "INFO"', ""),
    (b"[" * 100_000, ""),
    (b'{"meta":' * 20_000, ""),
    (json.dumps(without("level")).encode(), "/level"),
    (json.dumps(without("type")).encode(), "/type"),
    (json.dumps(without("message")).encode(), "/message"),
    (json.dumps({**GOOD, "colour": "red"}).encode(), "/colour"),
    (json.dumps({**GOOD, "a/b~c`d": "red"}).encode(), "/a~1b~0c`d"),
    (text("level", '"LOUD"'), "/level"),
    (text("level", '"ınfo"'), "/level"),  # noqa: RUF001
    (text("level", "3"), "/level"),
    (text("level", "null"), "/level"),
    (text("type", '"ops"'), "/type"),
    (text("type", json.dumps("A" * 33)), "/type"),
    (text("type", "[]"), "/type"),
    (text("service", '""'), "/service"),
    (text("service", json.dumps("s" * 81)), "/service"),
    (text("service", "null"), "/service"),
    (text("message", '""'), "/message"),
    (text("message", json.dumps("m" * 1_001)), "/message"),
    (text("message", "1e400"), "/message"),
    (text("message", '"a\\u0000b"'), "/message"),
    (text("message", '"\\ud800"'), ""),
    (text("message", '"\ud800"'), ""),
    (text("meta", "[]"), "/meta"),
    (text("meta", '"x"'), "/meta"),
    (text("meta", "null"), "/meta"),
    (text("meta", json.dumps({"x": "y" * 16 * 1024})), "/meta"),
    (text("meta", '{"a":' * 65 + "1" + "}" * 65), "/meta"),
    (text("meta", '{"a": NaN}'), ""),
    (text("meta", '{"a": Infinity}'), ""),
    (text("meta", '{"a": 1e400}'), "/meta"),
    (text("meta", '{"a": "\\u0000"}'), "/meta/a"),
    (text("meta", '{"a/~b": ["\\u0000"]}'), "/meta/a~1~0b/0"),
    (text("meta", '{"a\\u0000": 1}'), "/meta"),
]


@pytest.mark.parametrize(("body", "pointer"), BODIES, ids=lambda value: repr(value)[:60])
def test_a_bad_body_is_refused_and_names_the_field(
    shared_server: Server, body: bytes, pointer: str
) -> None:
    before = newest(shared_server)
    found = problem(post(shared_server, body), 400)
    assert isinstance(found["errors"], list)
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert found["errors"][0]["detail"]
    assert newest(shared_server) == before


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "a\\ud800b", "\\ud800\\ud800"])
def test_half_a_character_is_called_so(shared_server: Server, half: str) -> None:
    found = problem(post(shared_server, text("message", f'"{half}"')), 400)
    assert "lone surrogate" in str(found["detail"])


def test_a_parameter_of_a_post_is_refused(shared_server: Server) -> None:
    answer = shared_server.client.post(
        "/events?x=1&level=INFO", content=json.dumps(GOOD), headers=JSON
    )
    errors = problem(answer, 400)["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == ["x", "level"]


def test_every_broken_limit_is_listed(shared_server: Server) -> None:
    body = {"level": "x", "type": "y", "service": "", "message": ""}
    found = problem(post(shared_server, json.dumps(body).encode()), 400)
    assert isinstance(found["errors"], list)
    assert [e["pointer"] for e in found["errors"]] == ["/level", "/type", "/service", "/message"]


@settings(max_examples=tries(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "ignore")))
def test_random_bytes_are_refused(shared_server: Server, body: bytes) -> None:
    problem(post(shared_server, body), 400)


@settings(max_examples=tries(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_good_body_with_some_bytes_changed_is_taken_or_refused(
    shared_server: Server, data: st.DataObject
) -> None:
    body = bytearray(json.dumps({**GOOD, "meta": {"a": [1, "ü"]}}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    answer = post(shared_server, bytes(body))
    if answer.status_code != 200:
        problem(answer, 400)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": 'application/json; v=1; Charset="latin-1"'},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_content_type_is_415(shared_server: Server, headers: dict[str, str]) -> None:
    problem(post(shared_server, json.dumps(GOOD).encode(), **headers), 415)


def test_a_body_that_says_it_is_too_large_is_413_before_it_is_sent(shared_server: Server) -> None:
    """A hundred megabytes are announced; the answer comes without one of them."""
    with socket.create_connection(
        ("127.0.0.1", shared_server.port), timeout=patience.SECONDS
    ) as connection:
        connection.sendall(
            b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"X-Ops-Token: " + TOKEN.encode() + b"\r\nContent-Length: 100000000\r\n\r\n"
        )
        answer = b""
        while b"}" not in answer:
            answer += connection.recv(65_536) or b"}"
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert b"at most 262144 bytes" in answer
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_a_client_that_goes_before_its_body_was_complete_is_recorded_as_gone(
    server: Server,
) -> None:
    with socket.create_connection(
        ("127.0.0.1", server.port), timeout=patience.SECONDS
    ) as connection:
        connection.sendall(
            b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"X-Ops-Token: " + TOKEN.encode() + b"\r\nContent-Length: 100\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
    rows = patience.eventually(
        lambda: server.client.get("/metrics", params={"route": "/events"}).json()["requests"]
    )
    assert [(row["method"], row["status_code"], row["count"]) for row in rows] == [("POST", 499, 1)]


def test_a_hundred_megabytes_in_chunks_are_413(shared_server: Server) -> None:
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1_000_000
            yield b" " * 1_000_000

    try:
        answer = shared_server.client.post("/events", content=parts(), headers=JSON)
    except httpx.HTTPError:
        pass  # it closed the connection on a client that would not stop sending
    else:
        assert "262144 bytes" in str(problem(answer, 413)["detail"])
    assert shared_server.client.get("/livez").is_success


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "BREW"])
def test_another_method_is_405(shared_server: Server, method: str) -> None:
    for path in ("/events", "/metrics", "/health"):
        answer = shared_server.client.request(method, path)
        assert answer.status_code in {400, 405}
        if method != "BREW":
            problem(answer, 405)
            assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("/events?limit=0", "limit"),
        ("/events?limit=501", "limit"),
        ("/events?limit=ten", "limit"),
        ("/events?limit=", "limit"),
        ("/events?limit=" + "9" * 5_000, "limit"),
        ("/events?before=0", "before"),
        ("/events?before=abc", "before"),
        ("/events?before=-5", "before"),
        ("/events?before=99999999999999999999", "before"),
        ("/events?level=LOUD", "level"),
        ("/events?level=%C4%B1nfo", "level"),
        ("/events?type=lower", "type"),
        ("/events?service=", "service"),
        ("/events?service=" + "s" * 81, "service"),
        ("/events?service=%00", "service"),
        ("/events?since=yesterday", "since"),
        ("/events?until=2026-13-01T00:00:00Z", "until"),
        ("/events?until=9999-12-31T23:59:59Z", "until"),
        ("/metrics?as_of=9999-12-31T23:59:59Z", "as_of"),
        ("/events?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("/events?q=", "q"),
        ("/events?q=%22unbalanced", "q"),
        ("/events?q=a+OR+b", "q"),
        ("/events?q=NEAR(a+b)", "q"),
        ("/events?q=message:x", "q"),
        ("/events?q=*", "q"),
        ("/events?q=" + "x" * 201, "q"),
        ("/events?q=%00", "q"),
        ("/events?colour=red", "colour"),
        ("/events?limit=1&limit=2", "limit"),
        ("/events/summary?limit=5", "limit"),
        ("/events/summary?q=)", "q"),
        ("/events/1?verbose=1", "verbose"),
        ("/metrics?last=soon", "last"),
        ("/metrics?last=0s", "last"),
        ("/metrics?last=1h&since=2026-01-01T00:00:00Z", "last"),
        ("/metrics?since=2026", "since"),
        ("/metrics?as_of=now", "as_of"),
        ("/metrics?format=json", "format"),
        ("/metrics?request=1", "request"),
        ("/events/1?id=2", "id"),
    ],
    ids=lambda value: value[:50],
)
def test_a_bad_query_names_the_parameter(shared_server: Server, query: str, named: str) -> None:
    found = problem(shared_server.client.get(query), 400)
    assert isinstance(found["errors"], list)
    assert [error["pointer"] for error in found["errors"]] == [named]


@settings(max_examples=tries(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_any_text_as_q_is_answered_or_refused(shared_server: Server, q: str) -> None:
    query = q.encode("utf-8", "replace").decode()
    answer = shared_server.client.get("/events", params={"q": query})
    if answer.status_code != 200:
        problem(answer, 400)


def test_an_event_is_found_by_words_that_look_like_syntax(shared_server: Server) -> None:
    mark = uuid.uuid4().hex
    shared_server.post_event(message=f'{mark} said "drop; table" -- NOT that')
    for q in (f"{mark} drop; table", f"{mark} -- that", f"{mark}* not", f"'{mark}'"):
        found = shared_server.client.get("/events", params={"q": q})
        assert len(found.json()) == 1, q


@pytest.mark.parametrize(
    "request_line",
    [b"GET / HTTP/9.9", b"GARBAGE", b"GET /\x00 HTTP/1.1", b"GET /%zz%ff%00 HTTP/1.1"],
)
def test_a_malformed_request_harms_nobody(shared_server: Server, request_line: bytes) -> None:
    with socket.create_connection(
        ("127.0.0.1", shared_server.port), timeout=patience.SECONDS
    ) as connection:
        connection.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(65_536).startswith((b"HTTP/1.1 4", b"HTTP/1.1 505", b""))
    assert shared_server.client.get("/livez").is_success
