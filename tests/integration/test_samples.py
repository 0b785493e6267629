"""`POST /samples`, line by line, on a real server process and file."""

import asyncio
import gzip
import json
import signal
import socket
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opsboard.adapters.http.sample_bodies import MAX_ROWS
from opsboard.adapters.http.sample_routes import MAX_BODY_BYTES
from opsboard.domain.instant import NS_PER_MS, format_ms

from .. import patience
from ..tries import tries
from . import plain_http
from .server import TOKEN, Server, run, serving
from .test_http_contract import problem

MIB = 1024 * 1024
WRITE = {"X-Ops-Token": TOKEN}
JSON = "application/json"
NDJSON = "application/x-ndjson"
GOOD: Mapping[str, Any] = {
    "route": "/cart/{id}",
    "method": "GET",
    "status_code": 200,
    "latency_ms": 12.4,
    "service": "shop",
}
COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def post(server: Server, body: bytes, content_type: str = JSON, **headers: str) -> httpx.Response:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.post(
        "/samples", content=body, headers=WRITE | {"Content-Type": content_type} | said
    )


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def accepted(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == JSON
    body = answer.json()
    assert body.keys() == {"accepted"}
    return int(body["accepted"])


def named(answer: httpx.Response) -> list[dict[str, str]]:
    """What the answer, a 400, says of each fault."""
    problem(answer, 400)
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


def counted(server: Server, service: str = "shop", **narrowed: str) -> list[dict[str, Any]]:
    found = server.client.get("/metrics", params={"service": service, **narrowed})
    rows: list[dict[str, Any]] = found.json()["requests"]
    return rows


@pytest.fixture
def service() -> str:
    """A name of its own, for a test that counts on the server that all share."""
    return uuid.uuid4().hex


class TestForms:
    def test_one_sample(self, server: Server) -> None:
        assert accepted(post(server, json.dumps(GOOD).encode())) == 1
        (row,) = counted(server)
        assert row == {
            **{name: GOOD[name] for name in ("route", "method", "status_code", "service")},
            "latency_ms": 12.4,
            "count": 1,
            "max_ms": 12.4,
            **{name: pytest.approx(12.4, rel=0.011) for name in ("p50_ms", "p95_ms", "p99_ms")},
        }
        assert server.stop() == 0

    @pytest.mark.parametrize("coding", ["", *COMPRESS])
    @pytest.mark.parametrize("media", [JSON, f"{NDJSON}; charset=utf-8"])
    def test_many_plain_and_compressed(
        self, shared_server: Server, service: str, media: str, coding: str
    ) -> None:
        rows = [{**GOOD, "service": service, "latency_ms": n} for n in range(1_000)]
        body = json.dumps(rows).encode() if media == JSON else lines(rows)
        headers = {}
        if coding:
            body, headers = COMPRESS[coding](body), {"content_encoding": coding}
        assert accepted(post(shared_server, body, media, **headers)) == 1_000
        (row,) = counted(shared_server, service)
        assert (row["count"], row["latency_ms"], row["max_ms"]) == (1_000, 499.5, 999.0)

    @pytest.mark.parametrize(
        ("body", "media", "count"),
        [
            (b"[]", JSON, 0),
            (b" \r\n[ ]\n", JSON, 0),
            (b"", NDJSON, 0),
            (b"\n \r\n\n", NDJSON, 0),
            (b"\n" + lines([GOOD]) + b"\r\n \n" + lines([GOOD]).rstrip(), NDJSON, 2),
            (lines([GOOD] * 3).replace(b"\n", b"\r\n"), NDJSON, 3),
        ],
    )
    def test_none_and_lines_with_nothing_on_them(
        self, shared_server: Server, body: bytes, media: str, count: int
    ) -> None:
        assert accepted(post(shared_server, body, media)) == count

    def test_a_body_in_chunks(self, shared_server: Server, service: str) -> None:
        rows = [{**GOOD, "service": service}] * 2_000

        def parts() -> Iterator[bytes]:
            body = gzip.compress(lines(rows))
            yield from (body[at : at + 100] for at in range(0, len(body), 100))

        answer = shared_server.client.post(
            "/samples",
            content=parts(),
            headers=WRITE | {"Content-Type": NDJSON, "Content-Encoding": "gzip"},
        )
        assert accepted(answer) == 2_000
        assert counted(shared_server, service)[0]["count"] == 2_000


class TestFields:
    def test_what_is_left_out(self, shared_server: Server) -> None:
        route = f"/{uuid.uuid4().hex}"
        bare = {name: GOOD[name] for name in ("method", "status_code", "latency_ms")}
        assert accepted(post(shared_server, json.dumps({**bare, "route": route}).encode())) == 1
        (row,) = counted(shared_server, "api", route=route, last="1m")
        assert row["count"] == 1

    def test_times_of_any_offset_count_when_they_were(
        self, shared_server: Server, service: str
    ) -> None:
        now = time.time_ns() // NS_PER_MS // 60_000 * 60_000
        hour_ago = format_ms(now - 3_600_000)
        ends = [hour_ago, hour_ago.replace("Z", "456789Z"), hour_ago.replace(".000Z", "+00:00")]
        rows = [{**GOOD, "service": service, "ts": ts} for ts in [*ends, format_ms(now)]]
        del rows[-1]["ts"]
        assert accepted(post(shared_server, lines(rows), NDJSON)) == 4
        until = {"until": format_ms(now - 3_600_000 + 1)}
        assert [r["count"] for r in counted(shared_server, service, **until)] == [3]
        assert [r["count"] for r in counted(shared_server, service, since=hour_ago)] == [4]

    def test_methods_in_any_case_and_others(self, shared_server: Server, service: str) -> None:
        rows = [{**GOOD, "service": service, "method": m} for m in ("get", "GET", "BREW", "x-y")]
        assert accepted(post(shared_server, lines(rows), NDJSON)) == 4
        found = counted(shared_server, service)
        assert [(row["method"], row["count"]) for row in found] == [("GET", 2), ("_OTHER", 2)]

    @pytest.mark.parametrize("latency", ["0", "0.000001", "1e-400", "-0.0", "86400000", "2.5e3"])
    def test_latencies_within_the_bounds(self, shared_server: Server, latency: str) -> None:
        assert accepted(post(shared_server, text("latency_ms", latency))) == 1


def text(field: str, value: str) -> bytes:
    """A sample with one field's value as raw JSON."""
    rest = json.dumps({name: said for name, said in GOOD.items() if name != field})[:-1]
    return f'{rest}, "{field}": {value}}}'.encode("utf-8", "surrogatepass")


def without(field: str) -> bytes:
    return json.dumps({name: said for name, said in GOOD.items() if name != field}).encode()


BAD: list[tuple[bytes, str]] = [
    (b"{}", "/route"),
    (b"3", ""),
    (b"null", ""),
    (b"[" * 1_000_000, ""),
    (b'{"route":' + b"[" * 1_000_000, "/route"),
    (b"\xff", ""),
    (b"\xef\xbb\xbf{}", ""),
    (json.dumps(GOOD)[:-1].encode(), ""),
    (json.dumps({**GOOD, "colour": "red"}).encode(), "/colour"),
    (json.dumps({**GOOD, "a/b~c": 1}).encode(), "/a~1b~0c"),
    *((without(field), f"/{field}") for field in GOOD if field != "service"),
    *((text(field, "null"), f"/{field}") for field in GOOD),
    (text("ts", "null"), "/ts"),
    (text("route", '""'), "/route"),
    (text("route", json.dumps("/" * 10_240)), "/route"),
    (text("route", '"a\\u0000b"'), "/route"),
    (text("route", '"\\ud800"'), ""),
    (text("route", '"\ud800"'), ""),
    (text("service", json.dumps("s" * 81)), "/service"),
    (text("service", "3"), "/service"),
    (text("method", '""'), "/method"),
    (text("method", '"GET /"'), "/method"),
    (text("method", json.dumps("M" * 33)), "/method"),
    (text("status_code", "99"), "/status_code"),
    (text("status_code", "1000"), "/status_code"),
    (text("status_code", "-200"), "/status_code"),
    (text("status_code", "200.5"), "/status_code"),
    (text("status_code", '"200"'), "/status_code"),
    (text("status_code", "true"), "/status_code"),
    (text("status_code", "1" + "0" * 40), "/status_code"),
    (text("status_code", "1" + "0" * 5_000), "/status_code"),
    (text("latency_ms", "-0.0000001"), "/latency_ms"),
    (text("latency_ms", "-1"), "/latency_ms"),
    (text("latency_ms", "86400000.001"), "/latency_ms"),
    (text("latency_ms", "1e300"), "/latency_ms"),
    (text("latency_ms", "1e400"), "/latency_ms"),
    (text("latency_ms", "1" + "0" * 400), "/latency_ms"),
    (text("latency_ms", '"12"'), "/latency_ms"),
    (text("latency_ms", "NaN"), ""),
    (text("latency_ms", "Infinity"), ""),
    (text("ts", '""'), "/ts"),
    (text("ts", "1769850000"), "/ts"),
    (text("ts", '"yesterday"'), "/ts"),
    (text("ts", '"2026-01-31T09:30:00"'), "/ts"),
    (text("ts", '"2026-02-30T09:30:00Z"'), "/ts"),
    (text("ts", '"1969-12-31T23:59:59.999Z"'), "/ts"),
    (text("ts", '"2001-01-01T00:00:00Z"'), "/ts"),
    (text("ts", '"3000-01-01T00:00:00Z"'), "/ts"),
    (text("ts", json.dumps(format_ms(time.time_ns() // NS_PER_MS + 25 * 3_600_000))), "/ts"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD, ids=lambda value: repr(value)[:60])
@pytest.mark.parametrize("form", ["one", "list", "lines"])
def test_a_bad_sample_is_refused_and_named_in_every_form(
    shared_server: Server, body: bytes, pointer: str, form: str
) -> None:
    good = json.dumps({**GOOD, "service": "refused"}).encode()
    shapes = {"one": body, "list": b"[" + good + b"," + body + b"]", "lines": good + b"\n\n" + body}
    answer = post(shared_server, shapes[form], NDJSON if form == "lines" else JSON)
    (error,) = named(answer)
    if form == "lines":
        assert error["pointer"] == f"/1{pointer}"
        assert error["detail"].endswith(" (line 3)")
    elif form == "list":
        # What is no JSON at all, or nested so deep that it can not be passed over, has no place.
        assert error["pointer"] in {f"/1{pointer}", "" if not pointer or b"[[" in body else None}
    else:
        assert error["pointer"] == pointer
    assert counted(shared_server, "refused") == []


class TestRefused:
    def test_up_to_ten_bad_rows_are_named_of_whatever_kind(self, shared_server: Server) -> None:
        rows = [{**GOOD, "service": "refused"} for _ in range(40)]
        for row in range(1, 40, 2):
            rows[row] |= {"route": 3} if row % 4 == 1 else {"method": ""}
        for body, media in ((json.dumps(rows).encode(), JSON), (lines(rows), NDJSON)):
            found = named(post(shared_server, body, media))
            assert [error["pointer"] for error in found] == [
                f"/{row}/{'route' if row % 4 == 1 else 'method'}" for row in range(1, 21, 2)
            ]
            if media == NDJSON:
                said = [error["detail"] for error in found]
                assert [d.rpartition(" (line ")[2] for d in said] == [
                    f"{row + 1})" for row in range(1, 21, 2)
                ]
        assert counted(shared_server, "refused") == []

    def test_two_samples_on_one_line(self, shared_server: Server) -> None:
        one = json.dumps(GOOD).encode()
        found = named(post(shared_server, one + b"\n" + one + one, NDJSON))
        assert [error["pointer"] for error in found] == ["/1"]

    @pytest.mark.parametrize("media", ["text/plain", "application/x-ndjson; charset=latin-1", ""])
    def test_another_media_type_is_415(self, shared_server: Server, media: str) -> None:
        detail = str(problem(post(shared_server, b"[]", media), 415)["detail"])
        assert "JSON" in detail

    def test_another_coding_is_415_and_says_which_are_taken(self, shared_server: Server) -> None:
        answer = post(shared_server, b"[]", content_encoding="br")
        problem(answer, 415)
        assert answer.headers["accept-encoding"] == "gzip, deflate, zstd"

    @pytest.mark.parametrize("coding", COMPRESS)
    def test_what_is_cut_off_or_no_such_coding_is_400(
        self, shared_server: Server, coding: str
    ) -> None:
        whole = COMPRESS[coding](lines([{**GOOD, "service": "refused"}] * 100))
        for body in (whole[:-1], whole[: len(whole) // 2], b"", b"[]", whole + b"x"):
            problem(post(shared_server, body, NDJSON, content_encoding=coding), 400)
        assert counted(shared_server, "refused") == []

    def test_tokens_and_parameters(self, shared_server: Server) -> None:
        body = json.dumps(GOOD).encode()
        for headers in ({}, {"X-Ops-Token": "wrong"}):
            answer = shared_server.client.post("/samples", content=body, headers=headers)
            problem(answer, 401)
        problem(shared_server.client.post("/samples?x=1", content=body, headers=WRITE), 400)
        problem(shared_server.client.get("/samples"), 405)

    def test_more_rows_than_are_taken_are_413(self, shared_server: Server) -> None:
        body = gzip.compress(lines([{**GOOD, "service": "refused"}] * (MAX_ROWS + 1)))
        answer = post(shared_server, body, NDJSON, content_encoding="gzip")
        assert str(MAX_ROWS) in str(problem(answer, 413)["detail"])
        assert counted(shared_server, "refused") == []

    @settings(max_examples=tries(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.binary(max_size=300) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "ignore")),
        st.sampled_from([JSON, NDJSON]),
        st.sampled_from([None, *COMPRESS]),
    )
    def test_random_bytes(
        self, shared_server: Server, body: bytes, media: str, coding: str | None
    ) -> None:
        headers = {} if coding is None else {"content_encoding": coding}
        answer = post(shared_server, body, media, **headers)
        if body.strip(b" \t\r\n") or coding or media == JSON:
            problem(answer, 400)


class TestOnce:
    def test_the_same_key_and_body_counts_once_whatever_its_compression(
        self, shared_server: Server, service: str
    ) -> None:
        body = lines([{**GOOD, "service": service}] * 5_000)
        key = {"idempotency_key": service}
        assert accepted(post(shared_server, body, NDJSON, **key)) == 5_000
        assert accepted(post(shared_server, body, NDJSON, **key)) == 5_000
        for coding, compress in COMPRESS.items():
            again = post(shared_server, compress(body), NDJSON, content_encoding=coding, **key)
            assert accepted(again) == 5_000
        assert counted(shared_server, service)[0]["count"] == 5_000

    def test_another_body_under_a_key_is_422(self, shared_server: Server, service: str) -> None:
        key = {"idempotency_key": service}
        assert accepted(post(shared_server, lines([{**GOOD, "service": service}]), **key)) == 1
        other = lines([{**GOOD, "service": service, "latency_ms": 1}])
        problem(post(shared_server, other, **key), 422)
        assert counted(shared_server, service)[0]["count"] == 1

    def test_what_can_be_no_key_is_400(self, shared_server: Server) -> None:
        (found,) = named(post(shared_server, b"[]", idempotency_key="k" * 256))
        assert found["pointer"] == "Idempotency-Key"


def peak_mib(server: Server) -> float:
    """The most memory that the server ever had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    (line,) = [each for each in status.splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def bombs() -> Iterator[tuple[str, bytes]]:
    """What becomes half a gigabyte."""
    gzipped = gzip.compress(bytes(512 * MIB), 1)
    yield "gzip", gzipped
    yield "zstd", COMPRESS["zstd"](bytes(512 * MIB))
    block = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b" "
    yield "zstd", b"\x28\xb5\x2f\xfd\x00\x50" + block * 4_096
    yield "gzip, gzip", gzip.compress(gzipped)


def test_bombs_are_413_and_memory_stays_flat(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:
        assert accepted(post(server, lines([GOOD] * 10_000), NDJSON)) == 10_000
        before = peak_mib(server)
        for coding, bomb in bombs():
            answer = post(server, bomb, NDJSON, content_encoding=coding)
            assert str(MAX_BODY_BYTES) in str(problem(answer, 413)["detail"])
        assert peak_mib(server) < before + 80
        assert server.client.get("/livez").is_success
        assert counted(server)[0]["count"] == 10_000


def test_many_routes_count_as_other_and_cost_no_memory(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ops.db'}", OPS_MAX_SERIES="100") as server:
        for batch in range(10):
            rows = [{**GOOD, "route": f"/{batch}/{n}"} for n in range(20_000)]
            assert accepted(post(server, lines(rows), NDJSON)) == 20_000
            if batch == 0:
                before = peak_mib(server)
        assert peak_mib(server) < before + 60
        found = counted(server)
        assert len(found) == 101
        assert sum(row["count"] for row in found) == 200_000


def test_others_are_answered_while_large_bodies_come_in(tmp_path: Path) -> None:
    rows = [{**GOOD, "route": f"/{n % 50}/{{id}}", "latency_ms": n} for n in range(MAX_ROWS)]
    body = lines(rows)
    bad = body.replace(b'"GET"', b'"GE T"')
    assert len(body) > 9 * MIB
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:

        def send() -> list[int]:
            sent = (gzip.compress(each, 1) for each in (body, bad, body))
            answers = (post(server, each, NDJSON, content_encoding="gzip") for each in sent)
            return [answer.status_code for answer in answers]

        asked = 0
        with ThreadPoolExecutor(1) as beside, plain_http.client(server.url) as other:
            sending = beside.submit(send)
            while not sending.done():
                assert other.get("/livez").is_success
                asked += 1
        assert sending.result() == [200, 400, 200]
        assert asked > 3


def test_a_length_that_lies_harms_nobody(tmp_path: Path) -> None:
    body = lines([GOOD])
    with serving(f"sqlite:///{tmp_path / 'ops.db'}") as server:
        for length in (len(body) - 5, len(body) + 5):
            with socket.create_connection(
                ("127.0.0.1", server.port), timeout=patience.SECONDS
            ) as connection:
                connection.sendall(
                    f"POST /samples HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {TOKEN}\r\n"
                    f"Content-Type: {NDJSON}\r\nContent-Length: {length}\r\n\r\n".encode()
                )
                connection.sendall(body)
                connection.shutdown(socket.SHUT_WR)
                assert b" 200 " not in connection.recv(65_536)
        assert counted(server) == []
        assert accepted(post(server, body, NDJSON)) == 1


BATCHES, BATCH, KILLED_AFTER = 2_000, 50, 300


def batch(number: int) -> dict[str, Any]:
    """The headers and body of a batch that has a route of its own."""
    rows = [{**GOOD, "route": f"/{number}", "latency_ms": n} for n in range(BATCH)]
    headers = WRITE | {"Content-Type": NDJSON, "Idempotency-Key": f"batch-{number}"}
    return {"content": lines(rows), "headers": headers}


async def post_until_killed(server: Server) -> set[int]:
    """Post batches over many connections; those that were acknowledged before the server died."""
    waiting = iter(range(BATCHES))
    acknowledged: set[int] = set()

    async def post_some(client: httpx.AsyncClient) -> None:
        for number in waiting:
            try:
                answer = await client.post("/samples", **batch(number))
            except httpx.TransportError:
                return
            assert answer.json() == {"accepted": BATCH}
            acknowledged.add(number)
            if len(acknowledged) == KILLED_AFTER:
                server.process.send_signal(signal.SIGKILL)

    async with plain_http.async_client(server.url) as client:
        await asyncio.gather(*(post_some(client) for _ in range(16)))
    return acknowledged


def kept_of_each(server: Server) -> dict[int, int]:
    return {int(row["route"][1:]): row["count"] for row in counted(server)}


async def test_after_a_kill_every_acknowledged_batch_is_there_once_and_whole(
    tmp_path: Path,
) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        acknowledged = await post_until_killed(server)
        assert server.process.wait(timeout=patience.SECONDS) == -signal.SIGKILL
    assert KILLED_AFTER <= len(acknowledged) < BATCHES
    with serving(store) as server:
        kept = kept_of_each(server)
        assert acknowledged <= kept.keys()
        again = sorted({*range(0, BATCHES, 20), *(kept.keys() - acknowledged)})
        for number in again:
            assert accepted(server.client.post("/samples", **batch(number))) == BATCH
        assert set(kept_of_each(server).values()) == {BATCH}
        assert server.stop() == 0
    assert run("verify", "--store", store).returncode == 0
