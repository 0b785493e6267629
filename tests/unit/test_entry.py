import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.adapters.encoding import CODEC
from opsboard.domain.entry import (
    Codec,
    Encoded,
    Head,
    IdempotencyKey,
    JsonFormat,
    Kind,
    Recorded,
    Stream,
    UnreadableEntry,
    append_to,
    first_break,
)
from opsboard.domain.event import OperationalEvent
from opsboard.domain.sample import RequestSample, SampleBatch, SeriesKey

from ..fakes import START_NS, sample

NAMES = st.text(min_size=1, max_size=12)
KEYS = st.builds(SeriesKey, NAMES, NAMES, NAMES, st.integers(100, 599))
SAMPLES = st.lists(
    st.builds(RequestSample, KEYS, st.integers(0, 2**62), st.integers(0, 2**62)), max_size=30
)


def event(message: str = "hi") -> OperationalEvent:
    return OperationalEvent.say(ts=START_NS, level="INFO", type="OPS", message=message)


def recorded(count: int = 3) -> list[Recorded]:
    encoded = [CODEC.encode(event(str(i))) for i in range(count)]
    return append_to(Stream.EVENTS, Head(), encoded, START_NS, IdempotencyKey("k", b"f"))


@given(SAMPLES)
def test_a_batch_survives_its_encoding(samples: list[RequestSample]) -> None:
    batch = SampleBatch.of(samples)
    encoded = CODEC.encode(batch)
    assert not encoded.is_json
    assert CODEC.decode(encoded) == batch


def test_an_event_is_json_on_one_line() -> None:
    encoded = CODEC.encode(event("two\nlines"))
    assert encoded.is_json
    assert b"\n" not in encoded.payload
    assert CODEC.decode(encoded) == event("two\nlines")


@given(SAMPLES)
def test_the_first_encoding_of_a_batch_reads_as_the_newest(samples: list[RequestSample]) -> None:
    rows = {"rows": [[*s.series, s.latency_ns, s.ended_at] for s in samples]}
    payload = msgspec.json.encode(rows)
    assert CODEC.decode(Encoded("samples", 1, payload)) == SampleBatch.of(samples)


@given(SAMPLES)
def test_the_second_encoding_of_a_batch_reads_as_the_newest(samples: list[RequestSample]) -> None:
    keys = sorted({s.series for s in samples})
    columns = {
        "series": keys,
        "series_index": [keys.index(s.series) for s in samples],
        "latency_ns": [s.latency_ns for s in samples],
        "ended_at": [s.ended_at for s in samples],
    }
    encoded = Encoded("samples", 2, msgspec.json.encode(columns))
    assert CODEC.decode(encoded) == SampleBatch.of(samples)


def test_upcasters_are_applied_one_after_the_other() -> None:
    codec = Codec(
        {
            "event": Kind(
                OperationalEvent,
                3,
                JsonFormat(OperationalEvent),
                upcasters={
                    1: lambda value: {**value, "message": value["text"]},
                    2: lambda value: {**value, "meta": {}},
                },
            )
        }
    )
    payload = b'{"ts":1,"level":"INFO","type":"OPS","service":"api","text":"hi"}'
    expected = OperationalEvent(1, "INFO", "OPS", "api", "hi", {})
    assert codec.decode(Encoded("event", 1, payload)) == expected
    assert codec.encode(expected).version == 3


@pytest.mark.parametrize(
    ("kind", "version", "payload"),
    [
        ("gossip", 1, b"{}"),
        ("samples", 99, b"{}"),
        ("samples", 0, b"{}"),
        ("samples", 2, b'{"series": [}'),
        ("samples", 2, b'{"series": [], "series_index": [0], "latency_ns": [1], "ended_at": [1]}'),
        ("samples", 2, b'{"series": [], "series_index": [], "latency_ns": [1], "ended_at": []}'),
        ("samples", 3, b'{"series": [], "series_index": [], "latency_ns": [], "ended_at": []}'),
        ("samples", 3, b""),
        ("samples", 1, b'{"rows": [[1]]}'),
        ("samples", 1, b'{"columns": []}'),
        ("samples", 1, b"[]"),
        ("event", 1, b'{"ts": "soon"}'),
        ("event", 1, b"\xff\xfe"),
        ("event", 1, b'{"ts":1,"meta":' + b'{"a":' * 100_000),
    ],
)
def test_what_can_not_be_read_says_its_kind_and_version(
    kind: str, version: int, payload: bytes
) -> None:
    with pytest.raises(UnreadableEntry, match=f"'{kind}' version {version}"):
        CODEC.decode(Encoded(kind, version, payload))


def test_entries_are_numbered_and_chained() -> None:
    first, second, third = recorded()
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.follows(Head().hash)
    assert second.follows(first.hash)
    assert not third.follows(first.hash)
    assert first_break(Head(), [first, second, third]) is None
    assert first_break(Head(1, first.hash, START_NS), [second, third]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"recorded_at": START_NS + 1},
        {"encoded": Encoded("event", 1, b'{"changed": 1}')},
        {"encoded": Encoded("event", 2, recorded()[1].encoded.payload)},
        {"encoded": Encoded("other", 1, recorded()[1].encoded.payload)},
        {"key": "another"},
        {"key": None},
        {"fingerprint": b"another"},
        {"stream": Stream.ALERTS},
        {"number": 7},
        {"hash": bytes(32)},
    ],
)
def test_one_changed_field_breaks_the_chain(change: dict[str, object]) -> None:
    first, second, third = recorded()
    changed = msgspec.structs.replace(second, **change)
    assert first_break(Head(), [first, changed, third]) == changed


def test_an_entry_left_out_breaks_the_chain() -> None:
    first, _, third = recorded()
    assert first_break(Head(), [first, third]) == third


def test_the_time_of_recording_never_falls() -> None:
    head = Head(4, bytes(32), START_NS)
    (later,) = append_to(Stream.EVENTS, head, [CODEC.encode(event())], START_NS - 5, None)
    assert later.recorded_at == START_NS


def test_a_batch_gives_its_samples_one_by_one() -> None:
    samples = [sample("/a", ms=1), sample("/b", ms=2), sample("/a", ms=3)]
    batch = SampleBatch.of(samples)
    assert len(batch) == 3
    assert batch.samples() == samples
    assert [batch.key(row).route for row in range(3)] == ["/a", "/b", "/a"]
