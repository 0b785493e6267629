"""Requests that are meant to harm: refused, with nothing recorded and nothing given away."""

import gzip
import json
import re
import socket
import uuid
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from ..otlp import PROTOBUF, encoded, logs, record
from ..server import TOKEN, Server, serving
from ..test_http_contract import problem

MIB = 1024 * 1024
BOMB_MIB = 128
OWN = {"X-Ops-Token": TOKEN}
EVENT = {"level": "INFO", "type": "OPS", "message": "smuggled"}
BODY = json.dumps(EVENT).encode()
XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "{{7*7}}{% raise %}",
    "</title><svg/onload=alert(1)>",
)


def newest(server: Server) -> Any:
    return server.client.get("/events?limit=1", headers=OWN).json()


@pytest.fixture(scope="module")
def bombed() -> Iterator[Server]:
    with serving("memory:") as server:
        yield server


class TestBombs:
    """What is small on the wire and large when it is unpacked (see test_samples.py for more)."""

    @staticmethod
    def bomb(coding: str) -> bytes:
        zeros = bytes(BOMB_MIB * MIB)
        if coding == "zstd":
            return zstandard.ZstdCompressor().compress(zeros)
        return gzip.compress(zeros, 1) if coding == "gzip" else zlib.compress(zeros, 1)

    @pytest.mark.parametrize("coding", ["gzip", "zstd", "deflate"])
    def test_no_route_unpacks_one(self, bombed: Server, coding: str) -> None:
        body = self.bomb(coding)
        before, peak = newest(bombed), peak_mib(bombed)
        for path in ("/events", "/samples", "/v1/traces", "/v1/logs", "/v1/metrics", "/session"):
            for kind in ("application/json", PROTOBUF):
                headers = OWN | {"Content-Type": kind, "Content-Encoding": coding}
                answer = bombed.client.post(path, content=body, headers=headers)
                assert answer.status_code in {413, 415}, (path, kind)
        path = f"/errors/{'0' * 16}/resolve"
        answer = bombed.client.post(path, content=body, headers=OWN | {"Content-Encoding": coding})
        assert answer.status_code in {404, 413, 415}
        assert newest(bombed) == before
        assert peak_mib(bombed) < peak + 100


def peak_mib(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_keys_that_collide_elsewhere_are_keys_like_others(shared_server: Server) -> None:
    """Strings with one hash in Java, PHP and others; as many as `meta` holds, and no more."""
    colliding = ["".join(pairs) for pairs in product(("Aa", "BB"), repeat=10)]
    meta = dict.fromkeys(colliding[:600], 0)
    posted = shared_server.post_event(meta=meta)
    assert posted.status_code == 200
    assert posted.json()["meta"] == {"type": "OPS", **meta}
    too_many = shared_server.post_event(meta=dict.fromkeys(colliding, 0))
    assert "at most 16384 bytes" in str(problem(too_many, 400)["detail"])
    attributes = dict.fromkeys(colliding, "x" * 40)
    body = encoded(logs(record(said=attributes)), PROTOBUF)
    answer = shared_server.client.post(
        "/v1/logs", content=body, headers=OWN | {"Content-Type": PROTOBUF}
    )
    assert answer.status_code == 200
    kept = newest(shared_server)[0]["meta"]
    assert kept["left_out"] > 0
    assert len(json.dumps(kept)) < 20_000


class TestHeaders:
    def test_no_value_becomes_a_header_of_an_answer(self, shared_server: Server) -> None:
        service = f"a\r\nX-Injected: {uuid.uuid4().hex}"
        ids = [shared_server.post_event(service=service).json()["id"] for _ in range(2)]
        answer = shared_server.client.get("/events", params={"service": service, "limit": 1})
        link = answer.headers["link"]
        assert "x-injected" not in answer.headers
        assert link.isprintable()
        (after,) = re.findall(r"^<([^>]*)>; rel=\"next\"$", link)
        assert shared_server.client.get(after).json()[0]["id"] == ids[0]

    @pytest.mark.parametrize(
        "path",
        [
            "/events?limit=1&service=%0d%0aX-Injected:%201",
            "/events%0d%0aX-Injected:%201",
            "/assets/%0d%0aX-Injected:%201",
            "/events?%0d%0aX-Injected:%201=x",
            "/events/%0d%0aX-Injected:1",
            "//evil.example/%2e%2e",
        ],
    )
    def test_nor_does_a_path_or_a_parameter(self, shared_server: Server, path: str) -> None:
        head = raw(shared_server, GET % path.encode())[0]
        assert b"x-injected" not in head.lower()
        assert b"location:" not in head.lower()

    def test_a_key_that_would_end_its_header_is_refused(self, shared_server: Server) -> None:
        before = newest(shared_server)
        for key in (b"a\x00b", b"a\x7fb", b"\xe4"):
            sent = b"X-Ops-Token: %b\r\nConnection: close\r\n" % TOKEN.encode()
            sent += b"Idempotency-Key: %b\r\n" % key
            head, _ = raw(
                shared_server, post(b"%bContent-Length: %d\r\n" % (sent, len(BODY)), BODY)
            )
            assert head.startswith(b"HTTP/1.1 400 ")
        assert newest(shared_server) == before


def raw(server: Server, sent: bytes) -> tuple[bytes, bytes]:
    """The first answer's head, and everything behind it until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(sent)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


def post(headers: bytes, body: bytes, line: bytes = b"POST /events HTTP/1.1") -> bytes:
    kind = b"Content-Type: application/json\r\n"
    return b"%b\r\nHost: x\r\n%b%b\r\n%b" % (line, kind, headers, body)


GET = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
TE = b"Transfer-Encoding: chunked\r\n"


def chunk(size: bytes) -> bytes:
    return b"%b\r\n%b\r\n0\r\n\r\n" % (size, BODY)


SHAPES: dict[str, tuple[bytes, bytes]] = {
    "both a length and chunks": (b"Content-Length: %d\r\n" % len(CHUNKED) + TE, CHUNKED),
    "chunks and a short length": (TE + b"Content-Length: 4\r\n", CHUNKED),
    "two lengths": (LENGTH + b"Content-Length: 4\r\n", BODY),
    "the same length twice": (LENGTH * 2, BODY),
    "a list of lengths": (b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY)), BODY),
    "a length with a sign": (b"Content-Length: +%d\r\n" % len(BODY), BODY),
    "a negative length": (b"Content-Length: -1\r\n", BODY),
    "a length in hexadecimal": (b"Content-Length: 0x32\r\n", BODY),
    "a length over 64 bits": (b"Content-Length: %d\r\n" % 2**64, BODY),
    "an unknown coding": (b"Transfer-Encoding: xchunked\r\n", CHUNKED),
    "identity after chunked": (b"Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    "identity alone": (b"Transfer-Encoding: identity\r\n", CHUNKED),
    "a coding before chunked": (b"Transfer-Encoding: gzip, chunked\r\n", CHUNKED),
    "two codings": (TE + b"Transfer-Encoding: identity\r\n", CHUNKED),
    "chunked twice": (TE * 2, CHUNKED),
    "a space before the colon": (b"Transfer-Encoding : chunked\r\n", CHUNKED),
    "a tab as a space": (b"Transfer-Encoding:\x0bchunked\r\n", CHUNKED),
    "chunked in quotes": (b'Transfer-Encoding: "chunked"\r\n', CHUNKED),
    "a folded header": (b"X-A: b\r\n c\r\n" + LENGTH, BODY),
    "a folded coding": (b"Transfer-Encoding:\r\n chunked\r\n", CHUNKED),
    "a bare line feed": (b"X-A: b\n" + LENGTH, BODY),
    "a bare carriage return": (b"X-A: b\rX-B: c\r\n" + LENGTH, BODY),
    "a NUL in a header": (b"X-A: b\0c\r\n" + LENGTH, BODY),
    "a space in a name": (b"X A: b\r\n" + LENGTH, BODY),
    "no colon": (b"garbage\r\n" + LENGTH, BODY),
    "no name": (b": v\r\n" + LENGTH, BODY),
    "another host": (b"Host: y\r\n" + LENGTH, BODY),
    "an upgrade": (b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + LENGTH, BODY),
    "an upgrade with chunks": (b"Connection: Upgrade\r\nUpgrade: x\r\n" + TE, CHUNKED),
    "a negative chunk": (TE, chunk(b"-1")),
    "a chunk in C's hexadecimal": (TE, chunk(b"0x%x" % len(BODY))),
    "a chunk with a sign": (TE, chunk(b"+%x" % len(BODY))),
    "a chunk without a size": (TE, chunk(b"")),
    "a chunk over 64 bits": (TE, chunk(b"f" * 17)),
    "a chunk that is too short": (TE, chunk(b"5")),
    "a chunk with a space": (TE, chunk(b"%x " % len(BODY))),
    "a line feed in an extension": (TE, chunk(b"%x;a\nb" % len(BODY))),
    "line feeds between chunks": (TE, CHUNKED.replace(b"\r\n", b"\n")),
}


class TestSmuggling:
    """A request that a proxy and this server may cut at different places."""

    @pytest.mark.parametrize("shape", SHAPES)
    def test_it_is_refused_and_what_follows_is_not_looked_at(
        self, shared_server: Server, shape: str
    ) -> None:
        headers, body = SHAPES[shape]
        token = b"X-Ops-Token: %b\r\n" % TOKEN.encode()
        hidden = post(token + LENGTH, BODY)
        before = newest(shared_server)
        head, rest = raw(shared_server, post(token + headers, body + hidden))
        assert head.startswith(b"HTTP/1.1 400 "), head
        assert b"\r\nconnection: close" in head.lower()
        assert b"application/problem+json" in head
        assert b"HTTP/1.1" not in rest
        assert TOKEN.encode() not in head + rest
        assert newest(shared_server) == before

    def test_a_body_behind_an_upgrade_is_no_request(self, shared_server: Server) -> None:
        """The parser gives up at the head, and would begin anew with the body."""
        token = b"X-Ops-Token: %b\r\n" % TOKEN.encode()
        hidden = post(token + LENGTH, BODY)
        upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n" % len(hidden)
        before = newest(shared_server)
        with socket.create_connection(("127.0.0.1", shared_server.port), timeout=20) as connection:
            connection.sendall(post(token + upgrade, b""))
            answer = connection.recv(65_536)
            try:
                connection.sendall(hidden)
                while part := connection.recv(65_536):
                    answer += part
            except OSError:
                pass  # it closed the connection on what it does not want
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert newest(shared_server) == before

    def test_an_upgrade_without_a_body_is_passed_over(self, shared_server: Server) -> None:
        """As curl asks with --http2; the connection ends, since the parser reads nothing more."""
        ask = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
        head, rest = raw(shared_server, ask + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + ask)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert rest == b'{"ok":true}'

    def test_a_request_for_no_host_is_refused(self, shared_server: Server) -> None:
        head, _ = raw(shared_server, b"GET /livez HTTP/1.1\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert raw(shared_server, b"GET /livez HTTP/1.0\r\n\r\n")[0].startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/..%5c..%5cetc%5cpasswd",
        "/assets/%252e%252e%252fetc%252fpasswd",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/index.html%00.css",
        "/assets/..",
        "/assets/.",
        "/page.css/../app.py",
        "/../app.py",
        "/%2e%2e/app.py",
        "/pages/index.html",
        "/plain/../../app.py",
    ],
)
def test_no_path_leads_out_of_the_assets(shared_server: Server, path: str) -> None:
    head, body = raw(shared_server, GET % path.encode())
    assert head.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), head
    assert b"root:" not in body
    assert b"import" not in body


INJECTED = (
    "' OR '1'='1", "1; DROP TABLE events--", "x' UNION SELECT value FROM settings--", '" OR ""="',
    "1) OR 1=1", "%' --", "\\'; --", "message:*", "NEAR(a b)", "a AND NOT b", "*", "^a", "{a b}:c",
    "-1", "0x7f", "1e9", "%00", "\x1a", "$(id)", "`id`", "../../x", "%s%n", "{{7*7}}",
)  # fmt: skip


def parameters(document: Any) -> list[tuple[str, str]]:
    """Every query parameter of every route that is read."""
    return [
        (path.replace("{id}", "1").replace("{fingerprint}", "0" * 16), parameter["name"])
        for path, methods in document["paths"].items()
        if path != "/events/stream"
        for parameter in methods.get("get", {}).get("parameters", ())
        if parameter["in"] == "query"
    ]


def test_no_parameter_reaches_what_it_should_not(server: Server) -> None:
    """Each is bound as a value, or has to look as it should; none finds what it does not name."""
    said = ["cup", "pot", "tea"]
    for message in said:
        server.post_event(message=message, service="shop")
    asked = parameters(server.client.get("/openapi.json").json())
    assert len(asked) > 40
    for path, name in asked:
        required = {"route": "/x"} if path.startswith("/samples/slowest") else {}
        for text in INJECTED:
            answer = server.client.get(path, params=required | {name: text})
            assert answer.status_code in {200, 400, 404}, (path, name, text, answer.text)
            if answer.status_code != 200:
                problem(answer, answer.status_code)
            elif path == "/events" and name not in {"limit", "before"}:
                assert answer.json() == [], (name, text)
            assert "session_secret" not in answer.text
            assert not re.search(r"sqlite|syntax error|no such column", answer.text, re.IGNORECASE)
    kept = [event["message"] for event in server.client.get("/events").json()]
    assert kept == said[::-1]


class Markup(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def fill(server: Server, text: str) -> None:
    """Say it in every field that there is."""
    meta = {text: text, "exception.type": text, "exception.message": text}
    assert server.post_event(message=text, service=text, meta=meta).status_code == 200
    sample = {"route": f"/{text}", "method": "GET", "status_code": 500, "latency_ms": 1}
    answer = server.client.post("/samples", json={**sample, "service": text}, headers=OWN)
    assert answer.status_code == 200
    server.client.get(f"/{text}", params={text: text}, headers={"User-Agent": text})


def test_no_field_becomes_markup(tmp_path: Path) -> None:
    """Every field that somebody else fills, on every page that the server makes of them."""
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:
        fill(server, "harmless")
        plain = Markup(server.client.get("/plain").text)
        for text in XSS:
            fill(server, text)
        answer = server.client.get("/plain")
        page = Markup(answer.text)
        for text in XSS:
            assert text in page.text
        assert set(page.tags) == set(plain.tags)
        assert [name for name, _ in page.attributes if name.startswith("on")] == []
        assert "49" not in page.text.partition("{{7*7}}")[2][:2]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for path in ("/events", "/metrics", "/services", "/routes", "/errors", "/<script>"):
            answer = server.client.get(path)
            assert answer.headers["content-type"].startswith("application/")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")


Send = Callable[[httpx.Client, dict[str, str]], httpx.Response]
WRITES: dict[str, Send] = {
    "/events": lambda client, headers: client.post("/events", json=EVENT, headers=headers),
    "/samples": lambda client, headers: client.post(
        "/samples",
        json={"route": "/x", "method": "GET", "status_code": 200, "latency_ms": 1},
        headers=headers,
    ),
    "/v1/logs": lambda client, headers: client.post("/v1/logs", json={}, headers=headers),
    "/v1/traces": lambda client, headers: client.post("/v1/traces", json={}, headers=headers),
    "/v1/metrics": lambda client, headers: client.post("/v1/metrics", json={}, headers=headers),
    "/errors": lambda client, headers: client.post(
        f"/errors/{'0' * 16}/resolve", json={}, headers=headers
    ),
}


@pytest.mark.parametrize("path", WRITES)
def test_a_cookie_alone_writes_nothing(shared_server: Server, path: str) -> None:
    """As another site's page would make a browser ask: the cookie comes along, the header not."""
    send = WRITES[path]
    before = newest(shared_server)
    with httpx.Client(base_url=shared_server.url, trust_env=False) as browser:
        assert browser.post("/session", json={"token": TOKEN}).status_code == 200
        for headers in (
            {},
            {"Sec-Fetch-Site": "same-origin"},
            {"X-Ops-CSRF": "", "Sec-Fetch-Site": "same-origin"},
            {"X-Ops-CSRF": "1", "Sec-Fetch-Site": "cross-site"},
            {"X-Ops-CSRF": "1", "Origin": "https://evil.example"},
            {"X-Ops-CSRF": "1", "Origin": "null"},
        ):
            assert send(browser, headers).status_code == 403, headers
        own = {"X-Ops-CSRF": "1", "Origin": shared_server.url}
        assert newest(shared_server) == before
        assert send(browser, own).status_code in {200, 404}
