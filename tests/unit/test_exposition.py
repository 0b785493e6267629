"""The formats say the same, escape what they must, and render anew only what changed."""

import gzip
import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.adapters.http.exposition import Exposition, Form, form_of
from opsboard.adapters.http.exposition.fields import Constant, Number, Repeated, laid_out
from opsboard.adapters.http.exposition.page import SERIES_A_PART
from opsboard.adapters.http.exposition.varints import varint
from opsboard.application.board import Opsboard
from opsboard.application.query_metrics import MetricsQuestion
from opsboard.domain.histogram_forms import Spans, from_spans
from opsboard.domain.metrics import Selection
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from ..fakes import START_NS, observe, sample
from ..patience import until
from .prometheus_messages import families as protobuf_families

EVERYTHING = MetricsQuestion()
REQUESTS = "http_server_request_duration_seconds"
DELIMITED = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)
HOSTILE = [
    'a"b',
    "a\\b",
    "a\nb",
    "a\\nb",
    "ends in \\",
    '",le="1"} 5\n# HELP x y',
    "%d %s {}",
    "nul \0 and \x01",
    "\u202eright to left, \U0001f600",
]


async def said(exposition: Exposition, form: Form, question: Any = EVERYTHING) -> bytes:
    return b"".join(part.content for part in await exposition.parts(question, form))


def values(text: str, form: Form) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every value of a text by its name and labels."""
    parse = openmetrics_families if form is Form.OPENMETRICS else text_families
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in parse(text)
        for each in family.samples
    }


@pytest.fixture
async def filled(board: Opsboard) -> Opsboard:
    """Some hundred series, so that there are several parts."""
    for n in range(2 * SERIES_A_PART + 5):
        observe(
            board,
            *(sample(f"/r{n}", ms=ms) for ms in (0, 1, 3, 12, 12.1, 700, 20_000)[: n % 7 + 1]),
        )
    observe(board, *(sample(route, service="hostile") for route in HOSTILE))
    await board.record_event("one", level="WARN", type="AUDIT")
    board.intake.count("spans", "not kept", 3)
    for projection in board.projections.values():
        await projection.catch_up()
    return board


class TestForms:
    @pytest.mark.parametrize(
        ("accept", "form"),
        [
            ("", None),
            ("*/*", None),
            ("application/json, text/plain;q=0.9", None),
            ("text/plain", Form.TEXT),
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", Form.OPENMETRICS),
            (f"{DELIMITED},application/openmetrics-text;q=0.8,*/*;q=0.1", Form.PROTOBUF),
            (f"{DELIMITED.replace('delimited', 'compact-text')},text/plain;q=0.5", Form.TEXT),
            ("application/vnd.google.protobuf;proto=other;encoding=delimited", None),
        ],
    )
    def test_accept_chooses_the_form(self, accept: str, form: Form | None) -> None:
        assert form_of(accept) is form

    @pytest.mark.parametrize("form", [Form.TEXT, Form.OPENMETRICS])
    async def test_text_holds_every_series(self, filled: Opsboard, form: Form) -> None:
        text = (await said(Exposition(filled, "1.2"), form)).decode()
        found = values(text, form)
        snapshot = await filled.metrics()
        assert len(snapshot.requests) > 2 * SERIES_A_PART
        for row in snapshot.requests:
            labels = {
                ("service_name", row.service),
                ("http_route", row.route),
                ("http_request_method", row.method),
                ("http_response_status_code", str(row.status_code)),
            }
            of_row = {
                (name.removeprefix(f"{REQUESTS}_"), dict(each).get("le")): value
                for (name, each), value in found.items()
                if each >= labels
            }
            assert of_row["count", None] == of_row["bucket", "+Inf"] == row.count
            assert of_row["sum", None] == pytest.approx(row.count * row.latency_ms / 1e3)
            assert of_row["bucket", "10.0"] == row.count - (row.max_ms > 10_000)
            assert len(of_row) == 17
        audits = frozenset({("level", "WARN"), ("type", "AUDIT")})
        assert found["opsboard_events_total", audits] == 1
        received = frozenset({("signal", "spans"), ("outcome", "not kept")})
        assert found["opsboard_otlp_items_total", received] == 3
        assert found["opsboard_build_info", frozenset({("version", "1.2")})] == 1
        assert found["opsboard_start_time_seconds", frozenset()] == START_NS / 1e9
        assert text.endswith("# EOF\n") is (form is Form.OPENMETRICS)

    async def test_protobuf_loses_nothing(self, filled: Opsboard) -> None:
        found = protobuf_families(await said(Exposition(filled, "1.2"), Form.PROTOBUF))
        answer = await filled.metrics_queries.answer(EVERYTHING)
        ours = {answer.series.key(n): h for n, h in answer.rollups.histograms()}
        family = found[REQUESTS]
        assert (family.type, len(family.metric)) == (4, len(ours))
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            assert list(labels) == sorted(labels)
            key = tuple(
                labels[name] for name in ("service_name", "http_route", "http_request_method")
            )
            histogram = ours[(*key, int(labels["http_response_status_code"]))]  # type: ignore[index]
            native = metric.histogram
            assert native.schema == 5
            assert native.sample_count == histogram.count
            assert native.sample_sum == histogram.sum_ns / 1e9
            assert native.zero_count == histogram.zero_count
            spans = [(span.offset, span.length) for span in native.positive_span]
            assert from_spans(Spans(spans, list(native.positive_delta))) == histogram.buckets
            assert [b.cumulative_count for b in native.bucket] == [
                histogram.count_upto(b.upper_bound * 1e9) for b in native.bucket
            ]
        counter = found["opsboard_events_total"]
        assert counter.type == 0
        assert sum(metric.counter.value for metric in counter.metric) == 1
        assert found["opsboard_start_time_seconds"].metric[0].gauge.value == START_NS / 1e9

    @pytest.mark.parametrize("form", Form)
    async def test_nothing_is_said_of_nothing(self, board: Opsboard, form: Form) -> None:
        text = await said(Exposition(board, "1"), form)
        if form is Form.PROTOBUF:
            assert REQUESTS not in protobuf_families(text)
        else:
            assert not any(name.startswith(REQUESTS) for name, _ in values(text.decode(), form))


class TestPages:
    @pytest.mark.parametrize("form", Form)
    async def test_only_what_changed_is_rendered(self, filled: Opsboard, form: Form) -> None:
        exposition = Exposition(filled, "1")
        before = await exposition.parts(EVERYTHING, form)
        observe(filled, sample("/r0", ms=5), sample("/new"))
        after = await exposition.parts(EVERYTHING, form)
        same = [a is b for a, b in zip(before, after, strict=True)]
        is_protobuf = form is Form.PROTOBUF  # its head says how long the family is
        assert same == [not is_protobuf, False, True, False, False]
        fresh = await said(Exposition(filled, "1"), form)
        assert b"".join(part.content for part in after) == fresh

    @pytest.mark.parametrize("form", Form)
    async def test_a_file_changes_only_with_its_content(self, filled: Opsboard, form: Form) -> None:
        exposition = Exposition(filled, "1")
        file = await exposition.gzipped(EVERYTHING, form)
        assert await exposition.gzipped(EVERYTHING, form) == file
        assert gzip.decompress(file) == await said(exposition, form)
        await filled.record_event("another")
        assert await exposition.gzipped(EVERYTHING, form) != file

    async def test_a_narrowed_question_is_answered_apart(self, filled: Opsboard) -> None:
        exposition = Exposition(filled, "1")
        everything = await said(exposition, Form.TEXT)
        question = MetricsQuestion(Selection(route="/r7"))
        found = values((await said(exposition, Form.TEXT, question)).decode(), Form.TEXT)
        routes = {dict(labels).get("http_route") for _, labels in found}
        assert routes == {None, "/r7"}
        assert await said(exposition, Form.TEXT) == everything

    async def test_a_page_that_nobody_asks_for_is_forgotten(self, filled: Opsboard) -> None:
        exposition = Exposition(filled, "1", kept_seconds=0.01)
        await said(exposition, Form.TEXT)
        await until(lambda: not exposition.kept)
        assert (await said(exposition, Form.TEXT)).startswith(b"# HELP")

    async def test_pages_are_kept_by_form(self, filled: Opsboard) -> None:
        exposition = Exposition(filled, "1")
        await said(exposition, Form.TEXT)
        await said(exposition, Form.PROTOBUF)
        assert exposition.kept == {Form.TEXT, Form.PROTOBUF}

    async def test_series_of_a_rebuilt_store_are_not_mistaken(self, filled: Opsboard) -> None:
        exposition = Exposition(filled, "1")
        await said(exposition, Form.TEXT)
        await filled.rollups.save()
        table = filled.rollups.series
        seen = [*table.seen[1:], table.seen[0]]
        filled.rollups.series = type(table)(seen)
        assert await said(exposition, Form.TEXT) == await said(Exposition(filled, "1"), Form.TEXT)


@given(st.lists(st.integers(0, 2**63 - 1), max_size=30))
def test_varints_of_a_column_are_those_of_each(numbers: list[int]) -> None:
    octets, upto = laid_out([Number(b"", np.array(numbers, np.int64))])
    encoded, starts = octets.tobytes(), upto.tolist()
    assert encoded == b"".join(map(varint, numbers))
    assert starts == [0, *accumulate(len(varint(number)) for number in numbers)]


@given(st.lists(st.lists(st.integers(0, 300), max_size=4), max_size=6))
def test_fields_of_several_messages_are_written_side_by_side(rows: list[list[int]]) -> None:
    upto = np.array([0, *accumulate(map(len, rows))])
    numbers = np.array([number for row in rows for number in row], np.int64)
    lengths = np.array([len(row) for row in rows], np.int64)
    octets, _ = laid_out(
        [Number(b"n", lengths), Repeated([Number(b"", numbers)], upto), Constant(b"end", len(rows))]
    )
    expected = [b"n" + varint(len(row)) + b"".join(map(varint, row)) + b"end" for row in rows]
    assert octets.tobytes() == b"".join(expected)


def test_a_varint_of_what_takes_many_bytes() -> None:
    assert varint(300) == b"\xac\x02"
    assert len(varint(int(math.exp2(62)))) == 9
