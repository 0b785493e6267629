"""Samples say the same as a list, on lines, one by one, and in this process."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opsboard.adapters.http import sample_bodies
from opsboard.adapters.http.problems import BodyTooLarge
from opsboard.adapters.http.sample_bodies import (
    LINES,
    Form,
    Malformed,
    first_faults,
    json_form,
    read_samples,
)
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard
from opsboard.domain.entry import Stream
from opsboard.domain.instant import NS_PER_MS, format_instant
from opsboard.domain.keyed_samples import KeyedSamples
from opsboard.domain.sample import MAX_LATENCY_NS, RequestSample, SampleBatch, SeriesKey

from ..fakes import START_NS, CountingIds, ManualClock, entries
from ..tries import tries

NOW_MS = START_NS // NS_PER_MS
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9)
SAMPLES = st.lists(
    st.builds(
        RequestSample,
        st.builds(
            SeriesKey,
            TEXTS,
            TEXTS,
            st.sampled_from(["GET", "get", "POST", "x-brew"]),
            st.integers(100, 999),
        ),
        st.integers(0, MAX_LATENCY_NS),
        st.integers(START_NS - 5 * 10**14, START_NS + 10**12),
    ),
    max_size=12,
)


def said(sample: RequestSample, *, precise: bool) -> dict[str, Any]:
    """A sample as JSON has it; ends to the nanosecond, or to the millisecond."""
    service, route, method, status_code = sample.series
    ts = format_instant(sample.ended_at)
    if precise:
        ts = f"{ts[:-5]}.{sample.ended_at % 10**9:09d}Z"
    return {
        "service": service,
        "route": route,
        "method": method,
        "status_code": status_code,
        "latency_ms": sample.latency_ns / NS_PER_MS,
        "ts": ts,
    }


def nothing(_: object) -> None:
    """No series is known yet."""


def read(form: Form, body: bytes) -> KeyedSamples:
    return read_samples(form, body, NOW_MS, nothing)


def forms(rows: Sequence[dict[str, Any]], *, ascii: bool) -> list[tuple[Form, bytes]]:
    texts = [json.dumps(row, ensure_ascii=ascii).encode() for row in rows]
    whole = b" [" + b" ,\n".join(texts) + b"]"
    found = [(json_form(whole), whole), (LINES, b"\n".join(texts)), (LINES, b"\r\n\n".join(texts))]
    if len(rows) == 1:
        found.append((json_form(texts[0]), texts[0]))
    return found


async def recorded(*samples: KeyedSamples | Sequence[RequestSample]) -> list[SampleBatch]:
    """The batches that the journal then has."""
    clock = ManualClock()
    async with Opsboard(MemoryStore(clock), clock, CountingIds()) as board:
        for each in samples:
            if isinstance(each, KeyedSamples):
                await board.samples.record(each)
            else:
                await board.record_samples(each)
        journal = board.store.journal
        kept = [journal.decode(entry) for entry in await entries(journal, Stream.SAMPLES)]
    return [each for each in kept if isinstance(each, SampleBatch)]


@settings(max_examples=tries(30))
@given(SAMPLES, st.booleans(), st.booleans())
def test_every_form_records_what_the_same_samples_do_in_process(
    samples: list[RequestSample], precise: bool, ascii: bool
) -> None:
    rows = [said(sample, precise=precise) for sample in samples]
    for form, body in forms(rows, ascii=ascii):
        kept = asyncio.run(recorded(read(form, body), samples))
        assert len(kept) == 2 * bool(samples)
        assert kept[:1] == kept[1:]


@given(SAMPLES, st.data())
def test_a_bad_row_has_the_same_pointer_as_a_list_and_on_lines(
    samples: list[RequestSample], data: st.DataObject
) -> None:
    rows = [said(sample, precise=False) for sample in samples]
    bad = data.draw(st.sets(st.integers(0, max(len(rows) - 1, 0)), max_size=len(rows)))
    faults: list[dict[str, Any]] = [{"latency_ms": -1}, {"ts": "now"}, {"status_code": "200"}]
    broken = {row: data.draw(st.sampled_from(faults)) for row in bad}
    for row, fault in broken.items():
        rows[row] |= fault
    expected = [f"/{row}/{field}" for row in sorted(broken) for field in broken[row]][:10]
    for form, body in forms(rows, ascii=True)[:3]:
        found = first_faults(
            form, body, NOW_MS, nothing, lambda samples: samples.violations(NOW_MS)
        )
        assert [violation.pointer for violation in found.violations] == expected


def test_what_does_not_say_when_it_ended_ended_now() -> None:
    row = said(
        RequestSample(SeriesKey("a", "b", "GET", 200), 5, START_NS - 5 * 10**9), precise=True
    )
    bare = {name: value for name, value in row.items() if name != "ts"}
    samples = read(LINES, "\n".join(map(json.dumps, [bare, row, bare])).encode())
    assert samples.ended_at_ms.tolist() == [NOW_MS, NOW_MS - 5_000, NOW_MS]
    assert read(LINES, json.dumps(bare).encode()).ended_at_ms.tolist() == [NOW_MS]


def test_more_rows_than_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_bodies, "MAX_ROWS", 2)
    row = said(RequestSample(SeriesKey("a", "b", "GET", 200), 5, START_NS), precise=True)
    for form, body in forms([row] * 2, ascii=True):
        assert len(read(form, body)) == 2
    for form, body in forms([row] * 3, ascii=True):
        with pytest.raises(BodyTooLarge, match="at most 2 samples"):
            read(form, body)


def test_of_a_list_of_too_many_values_only_the_first_fault_is_told() -> None:
    """To look at each of ten million values would take a gigabyte."""
    body = b"[" + b",".join([b"1"] * 1_000_000) + b"]"
    with pytest.raises(Malformed):
        read(json_form(body), body)
    found = first_faults(json_form(body), body, NOW_MS, nothing, lambda _: [])
    assert len(found.violations) == 1
