"""The wire contract, line by line, on a real server process and file."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opsboard.domain.instant import parse_instant
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from .server import TOKEN, Server, serving

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
    "version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
NATIVE = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)
PROMETHEUS_NATIVE = (
    f"{NATIVE.replace(' ', '')},application/openmetrics-text;version=1.0.0;q=0.8,"
    "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
WRITE = {"X-Ops-Token": TOKEN}


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem in an answer, which has all that every problem has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    assert "Traceback" not in answer.text
    return body


class TestHealth:
    @pytest.mark.parametrize(
        "accept",
        [
            None,
            "*/*",
            "application/json",
            "text/plain",
            "text/html;q=0",
            "text/html;q=0, */*;q=0.1",
            "text/html;q=0.5, application/json",
        ],
    )
    def test_root_is_ok(self, shared_server: Server, accept: str | None) -> None:
        headers = {} if accept is None else {"Accept": accept}
        request = shared_server.client.build_request("GET", "/", headers=headers)
        if accept is None:
            del request.headers["accept"]
        answer = shared_server.client.send(request)
        assert (answer.status_code, answer.content) == (200, b'{"ok":true}')

    def test_the_plain_pages_have_no_script_and_no_other_host(self, shared_server: Server) -> None:
        for path in ("/plain", "/docs"):
            answer = shared_server.client.get(path, headers={"Accept": BROWSER})
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "<script" not in answer.text
            assert not re.search(r"(src|href)=.?(https?:)?//", answer.text)
            assert "default-src 'none'" in answer.headers["content-security-policy"]

    def test_the_plain_page_shows_the_newest_events_harmless(self, server: Server) -> None:
        server.post_event(message="<img src=x onerror=alert(1)>", meta={"a": "<b>"})
        page = server.client.get("/plain").text
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "<img" not in page

    @pytest.mark.parametrize("path", ["/health", "/livez"])
    def test_health_is_exactly_ok(self, shared_server: Server, path: str) -> None:
        answer = shared_server.client.get(path)
        assert (answer.status_code, answer.content) == (200, b'{"ok":true}')
        assert shared_server.client.head(path).status_code == 200

    def test_ready_names_each_check(self, shared_server: Server) -> None:
        body = shared_server.client.get("/readyz").json()
        assert body["ok"] is True
        assert body["checks"].keys() == {
            "store", "rollups", "event_index", "error_groups", "samples", "series", "opentelemetry",
        }  # fmt: skip
        assert body["checks"]["store"] == {"ok": True, "detail": "takes writes"}


class TestMetrics:
    def test_a_request_shows_in_the_snapshot_read_after_its_answer(self, server: Server) -> None:
        for n in range(1, 4):
            server.client.get("/events/1")
            rows = server.client.get("/metrics").json()["requests"]
            found = [r for r in rows if (r["route"], r["status_code"]) == ("/events/{id}", 404)]
            assert [r["count"] for r in found] == [n]

    def test_the_rows_are_as_promised(self, server: Server) -> None:
        for path in ("/health", "/health", "/nope/1", "/nope/2", "/events?limit=0"):
            server.client.get(path)
        server.client.delete("/health")
        server.post_event()
        body = server.client.get("/metrics").json()
        assert list(body) == ["uptime_seconds", "requests_total", "errors_total", "requests"]
        assert body["requests_total"] == 7
        assert body["errors_total"] == 0
        rows = body["requests"]
        assert [(r["route"], r["method"], r["status_code"], r["count"]) for r in rows] == [
            ("(unmatched)", "DELETE", 405, 1),
            ("(unmatched)", "GET", 404, 2),
            ("/events", "GET", 400, 1),
            ("/events", "POST", 200, 1),
            ("/health", "GET", 200, 2),
        ]
        for row in rows:
            assert row["service"] == "opsboard"
            assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] <= row["max_ms"]
            assert row["latency_ms"] <= row["max_ms"]

    def test_the_snapshot_can_be_narrowed(self, server: Server) -> None:
        server.client.get("/health")
        server.client.get("/livez")
        get = server.client.get
        assert get("/metrics", params={"route": "/livez"}).json()["requests_total"] == 1
        assert get("/metrics", params={"service": "shop"}).json()["requests_total"] == 0
        assert get("/metrics", params={"method": "PUT"}).json()["requests"] == []
        assert get("/metrics", params={"last": "15m"}).json()["requests_total"] == 5
        past = {"until": "2020-01-01T00:00:00Z"}
        assert get("/metrics", params=past).json()["requests_total"] == 0
        assert get("/metrics", params={"as_of": past["until"]}).json()["requests_total"] == 0
        since = {"since": "2020-01-01T00:00:00Z"}
        assert get("/metrics", params=since).json()["requests_total"] == 8

    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [
            (PROMETHEUS, "application/openmetrics-text; version=1.0.0"),
            ("text/plain", "text/plain; version=0.0.4"),
            ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
            (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0"),
            (PROMETHEUS_3.partition("0.5,")[2], "text/plain; version=0.0.4"),
            ("text/plain;q=0.9,application/openmetrics-text;q=0.1", "text/plain; version=0.0.4"),
            ("text/plain;q=0", "application/json"),
            ("application/openmetrics-text;version=9.9", "application/openmetrics-text; version=1"),
            ("application/openmetrics-text;version=x", "application/openmetrics-text; version=1"),
            ("text/plain;q=inf", "text/plain; version=0.0.4"),
            (PROMETHEUS_NATIVE, NATIVE),
            (PROMETHEUS_NATIVE.replace("delimited", "text"), "application/openmetrics-text"),
            (BROWSER, "application/json"),
            ("*/*", "application/json"),
        ],
    )
    def test_accept_chooses_the_format(
        self, shared_server: Server, accept: str, content_type: str
    ) -> None:
        answer = shared_server.client.get("/metrics", headers={"Accept": accept})
        assert answer.headers["content-type"].startswith(content_type)
        vary = "Accept" if content_type == "application/json" else "Accept, Accept-Encoding"
        assert answer.headers["vary"] == vary

    @pytest.mark.parametrize("accept", ["text/plain", PROMETHEUS, PROMETHEUS_NATIVE])
    @pytest.mark.parametrize("coding", ["gzip", "identity", "gzip;q=0, *"])
    def test_metrics_are_compressed_where_that_is_wanted(
        self, shared_server: Server, accept: str, coding: str
    ) -> None:
        asked = {"Accept": accept, "Accept-Encoding": coding}
        # Of a service that has no requests, so that two answers differ in nothing but gauges.
        url = "/metrics?service=nobody"
        plain = shared_server.client.get(url, headers={"Accept": accept, "Accept-Encoding": "x"})
        answer = shared_server.client.get(url, headers=asked)
        is_gzip = coding == "gzip"
        assert answer.headers.get("content-encoding") == ("gzip" if is_gzip else None)
        assert b"opsboard_build_info" in answer.content
        assert len(answer.content) == pytest.approx(len(plain.content), rel=0.1)
        assert len(plain.content) == int(plain.headers["content-length"])
        head = shared_server.client.head(url, headers=asked)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == answer.headers["content-type"]
        assert head.headers.get("content-encoding") == answer.headers.get("content-encoding")
        assert int(head.headers["content-length"]) > 100

    @pytest.mark.parametrize("accept", [PROMETHEUS, "text/plain"])
    def test_prometheus_reads_the_same_numbers(self, server: Server, accept: str) -> None:
        for _ in range(3):
            server.client.get("/health")
        text = server.client.get("/metrics", headers={"Accept": accept}).text
        parse = openmetrics_families if "openmetrics" in accept else text_families
        families = {family.name: family for family in parse(text)}
        duration = families["http_server_request_duration_seconds"]
        assert duration.type == "histogram"
        labels = {
            "service_name": "opsboard",
            "http_route": "/health",
            "http_request_method": "GET",
            "http_response_status_code": "200",
        }
        values = {
            (s.name.rpartition("_")[2], s.labels.get("le")): s.value
            for s in duration.samples
            if s.labels.items() >= labels.items()
        }
        row = next(
            r for r in server.client.get("/metrics").json()["requests"] if r["route"] == "/health"
        )
        assert values["count", None] == values["bucket", "+Inf"] == row["count"] == 3
        assert values["sum", None] == pytest.approx(3 * row["latency_ms"] / 1e3, rel=1e-4)
        assert values["bucket", "10.0"] == 3
        assert families["opsboard_samples_dropped"].samples[0].value == 0


class TestPostEvent:
    def test_the_answer_is_the_event(self, server: Server) -> None:
        answer = server.client.post(
            "/events",
            headers=WRITE,
            json={
                "level": "warn",
                "type": "AUDIT",
                "message": "Unexpected latency spike detected",
                "meta": {"request_id": "abc123"},
            },
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("ts"))
        assert body == {
            "id": 1,
            "level": "WARN",
            "type": "AUDIT",
            "service": "api",
            "message": "Unexpected latency spike detected",
            "meta": {"type": "AUDIT", "request_id": "abc123"},
        }

    def test_ids_count_without_gaps_whatever_is_refused_between(self, server: Server) -> None:
        ids = []
        for n in range(5):
            server.post_event(level="LOUD")
            server.client.post("/events", json={})
            ids.append(server.post_event(message=f"number {n}").json()["id"])
        assert ids == [1, 2, 3, 4, 5]

    def test_a_key_records_once(self, server: Server) -> None:
        key = {"Idempotency-Key": "deploy-42"}
        first = server.post_event(key, message="once")
        again = server.post_event(key, message="once")
        assert first.json() == again.json()
        clash = problem(server.post_event(key, message="twice"), 422)
        assert "deploy-42" in str(clash["detail"])
        assert server.post_event(message="next").json()["id"] == 2

    def test_a_key_that_is_given_twice_is_refused(self, shared_server: Server) -> None:
        headers = [*WRITE.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
        body = {"level": "INFO", "type": "OPS", "message": "hi"}
        answer = shared_server.client.post("/events", json=body, headers=headers)
        assert "Idempotency-Key" in str(problem(answer, 400)["errors"])

    @pytest.mark.parametrize("key", ["", "k" * 256, "käse".encode()])
    def test_a_key_that_is_none_is_refused(self, shared_server: Server, key: str | bytes) -> None:
        answer = shared_server.client.post(
            "/events",
            content=b'{"level":"INFO","type":"OPS","message":"x"}',
            headers=[
                (b"x-ops-token", TOKEN.encode()),
                (b"content-type", b"application/json"),
                (b"idempotency-key", key if isinstance(key, bytes) else key.encode()),
            ],
        )
        body = problem(answer, 400)
        assert body["errors"] == [
            {"pointer": "Idempotency-Key", "detail": "must be 1-255 printable ASCII characters"}
        ]

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "application/json; charset=utf-8",
            'Application/JSON;charset="UTF-8"',
            "application/json;",
            "application/json; charset=utf-8;",
            "application/json; profile=x",
            'application/json; profile="a;charset=latin-1"',
            "application/json; charset=utf-8; v=1",
        ],
    )
    def test_json_is_said_in_many_ways(self, shared_server: Server, content_type: str) -> None:
        answer = shared_server.client.post(
            "/events",
            content=b'{"level":"INFO","type":"OPS","message":"x"}',
            headers={**WRITE, "Content-Type": content_type},
        )
        assert answer.status_code == 200

    def test_a_body_may_come_in_chunks(self, shared_server: Server) -> None:
        parts = iter([b'{"level":"INFO",', b'"type":"OPS",', b'"message":"chunked"}'])
        headers = {**WRITE, "Content-Type": "application/json"}
        answer = shared_server.client.post("/events", content=parts, headers=headers)
        assert answer.json()["message"] == "chunked"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For tests that only read."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('filled') / 'ops.db'}") as server:
        for n in range(1, 13):
            server.post_event(
                message=f"order {n} placed",
                level="WARN" if n % 3 == 0 else "INFO",
                type="AUDIT" if n % 2 else "OPS",
                service="shop" if n > 6 else "api",
                meta={"order": {"number": n}},
            )
        yield server


class TestGetEvents:
    def ids(self, server: Server, **params: object) -> list[int]:
        answer = server.client.get("/events", params={k: str(v) for k, v in params.items()})
        assert answer.status_code == 200, answer.text
        return [event["id"] for event in answer.json()]

    def test_filters(self, filled: Server) -> None:
        assert self.ids(filled) == list(range(12, 0, -1))
        assert self.ids(filled, level="warn") == [12, 9, 6, 3]
        assert self.ids(filled, type="AUDIT", service="shop") == [11, 9, 7]
        assert self.ids(filled, q="ORDER 7") == [7]
        assert self.ids(filled, q="plac*", limit=2) == [12, 11]
        ts = filled.client.get("/events/5").json()["ts"]
        assert set(self.ids(filled, since=ts)) >= set(range(5, 13))
        assert set(self.ids(filled, until=ts)) <= set(range(1, 5))
        assert self.ids(filled, since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00Z") == []

    def test_pages_follow_the_link_with_the_same_filters(self, filled: Server) -> None:
        answer = filled.client.get("/events", params={"limit": 3, "q": "order", "type": "OPS"})
        seen = [event["id"] for event in answer.json()]
        while "next" in answer.links:
            answer = filled.client.get(answer.links["next"]["url"])
            seen += [event["id"] for event in answer.json()]
        assert seen == [12, 10, 8, 6, 4, 2]

    @pytest.mark.parametrize("host", ["a:b:c", "[", "", "x:99999999"])
    def test_a_host_that_is_none_is_no_matter(self, filled: Server, host: str) -> None:
        answer = filled.client.get("/events?limit=1", headers={"Host": host})
        assert answer.status_code == 200
        assert answer.headers["link"] == '</events?limit=1&before=12>; rel="next"'

    @pytest.mark.parametrize("id", ["1_0", "１", "%201", "1%20", "+1", "01", "-0", "1e0"])  # noqa: RUF001
    def test_an_id_is_written_in_one_way(self, filled: Server, id: str) -> None:
        problem(filled.client.get(f"/events/{id}"), 404)

    def test_one(self, filled: Server) -> None:
        event = filled.client.get("/events/7").json()
        assert event == filled.client.get("/events", params={"q": "order 7"}).json()[0]
        parse_instant(event["ts"], "ts")
        for missing in ("0", "13", "9223372036854775807", "9223372036854775808", "-1"):
            problem(filled.client.get(f"/events/{missing}"), 404)

    def test_the_summary(self, filled: Server) -> None:
        assert filled.client.get("/events/summary").json() == {
            "by_level": {"INFO": 8, "WARN": 4},
            "by_service": {"api": 6, "shop": 6},
            "by_type": {"AUDIT": 6, "OPS": 6},
        }
        narrowed = filled.client.get("/events/summary", params={"level": "WARN", "q": "order"})
        assert narrowed.json()["by_service"] == {"api": 2, "shop": 2}


class TestTokens:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Ops-Token": "wrong"},
            {"X-Ops-Token": ""},
            {"X-Ops-Token": TOKEN + "x"},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"X-Ops-Token": "wrong", "Authorization": f"Bearer {TOKEN}"},
        ],
    )
    def test_without_the_token_nothing_is_written(
        self, shared_server: Server, headers: dict[str, str]
    ) -> None:
        mark = uuid.uuid4().hex
        body = {"level": "INFO", "type": "OPS", "message": mark}
        answer = shared_server.client.post("/events", json=body, headers=headers)
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
        assert shared_server.client.get("/events", params={"q": mark}).json() == []

    @pytest.mark.parametrize("last", [TOKEN, "wrong"])
    @pytest.mark.parametrize("name", ["X-Ops-Token", "Authorization"])
    def test_a_token_that_is_given_twice_is_none(
        self, shared_server: Server, name: str, last: str
    ) -> None:
        scheme = "Bearer " if name == "Authorization" else ""
        headers = [(name, f"{scheme}{token}") for token in (TOKEN, last)]
        body = {"level": "INFO", "type": "OPS", "message": "hi"}
        problem(shared_server.client.post("/events", json=body, headers=headers), 401)

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    def test_bearer(self, shared_server: Server, scheme: str) -> None:
        body = {"level": "INFO", "type": "OPS", "message": "hi"}
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert shared_server.client.post("/events", json=body, headers=headers).is_success

    def test_without_a_configured_token_writing_is_closed(self) -> None:
        with serving("memory:", OPS_API_TOKEN="") as server:
            assert "writes   closed: OPS_API_TOKEN is not set\n" in server.said
            for headers in ({}, {"X-Ops-Token": ""}, {"X-Ops-Token": "None"}):
                answer = server.client.post("/events", json={}, headers=headers)
                assert "OPS_API_TOKEN" in str(problem(answer, 503)["detail"])
            assert server.client.get("/events").json() == []

    def test_a_read_token_closes_reading_but_not_health(self, tmp_path: Path) -> None:
        store = f"sqlite:///{tmp_path / 'ops.db'}"
        with serving(store, OPS_READ_TOKEN="reads") as server:
            reading = ("/metrics", "/events", "/events/1", "/events/summary", "/openapi.json")
            server.post_event()
            for path in reading:
                problem(server.client.get(path), 401)
                problem(server.client.get(path, headers={"X-Ops-Token": "wrong"}), 401)
                for token in ("reads", TOKEN):
                    assert server.client.get(path, headers={"X-Ops-Token": token}).is_success
                    bearer = {"Authorization": f"Bearer {token}"}
                    assert server.client.get(path, headers=bearer).is_success
            for path in ("/", "/health", "/livez", "/readyz"):
                assert server.client.get(path).is_success
            problem(server.post_event({"X-Ops-Token": "reads"}), 401)

    def test_a_browser_is_asked_for_the_read_token_once(self, tmp_path: Path) -> None:
        with serving("memory:", OPS_READ_TOKEN="reads") as server:
            for path in ("/plain", "/docs"):
                asked = server.client.get(path, headers={"Accept": BROWSER})
                assert asked.status_code == 401
                assert asked.headers["www-authenticate"].startswith("Basic ")
                page = server.client.get(
                    path, headers={"Accept": BROWSER}, auth=("anybody", "reads")
                )
                assert page.is_success
                wrong = server.client.get(path, headers={"Accept": BROWSER}, auth=("x", "no"))
                assert wrong.status_code == 401


class TestProblems:
    def test_405_names_what_is_allowed(self, shared_server: Server) -> None:
        answer = shared_server.client.patch("/events")
        problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/health",
            "/metrics",
            "/events",
            "/events/1",
            "/events/summary",
            "/docs",
            "/plain",
            "/openapi.json",
            "/page.css",
        ],
    )
    def test_head_is_get_without_a_body(self, shared_server: Server, path: str) -> None:
        shared_server.post_event()
        got, head = shared_server.client.get(path), shared_server.client.head(path)
        assert head.status_code == got.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == got.headers["content-type"]
        allowed = shared_server.client.options(path).headers["allow"].split(", ")
        assert allowed[:2] == ["GET", "HEAD"]
        assert ("POST" in allowed) == (path == "/events")
        assert "HEAD" not in shared_server.client.get("/docs").text

    def test_404(self, shared_server: Server) -> None:
        assert problem(shared_server.client.get("/wp-login.php"), 404)["title"] == "Not Found"

    def test_every_answer_carries_the_security_headers(self, shared_server: Server) -> None:
        for path in ("/", "/docs", "/metrics", "/nope", "/events?limit=x"):
            headers = shared_server.client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers

    def test_the_api_document_describes_every_route(self, shared_server: Server) -> None:
        document = shared_server.client.get("/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        operations = {
            (method.upper(), path)
            for path, methods in document["paths"].items()
            for method in methods
        }
        assert operations >= {
            ("GET", "/"),
            ("GET", "/health"),
            ("GET", "/livez"),
            ("GET", "/readyz"),
            ("GET", "/metrics"),
            ("POST", "/events"),
            ("GET", "/events"),
            ("GET", "/events/{id}"),
            ("GET", "/events/summary"),
        }
        posted = document["paths"]["/events"]["post"]
        assert "requestBody" in posted
        page = shared_server.client.get("/docs").text
        for _, path in operations:
            assert path in page
