import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opsboard.adapters import columns as columns_module
from opsboard.adapters.columns import DamagedColumns, pack, unpack
from opsboard.adapters.histogram_segment import decode_histograms, encode_histograms
from opsboard.adapters.rollup_blob import decode_rollups, encode_rollups
from opsboard.adapters.segment import decode_segment, encode_segment
from opsboard.domain.cumulative import CumulativePoint
from opsboard.domain.histogram_batch import HistogramBatch, RequestHistogram
from opsboard.domain.measured import MeasuredHistogram
from opsboard.domain.rollup import Rollups
from opsboard.domain.sample import MAX_LATENCY_NS, RequestSample, SampleBatch, SeriesKey

from ..fakes import START_NS, measured, sample
from ..tries import tries

NAMES = st.text(max_size=6) | st.sampled_from(["shop", "/cart/{id}", "Überweisung", "日本語"])
KEYS = st.builds(SeriesKey, NAMES, NAMES, NAMES, st.integers(100, 599))
LATENCIES = st.integers(0, MAX_LATENCY_NS) | st.sampled_from([0, 255, 256, 65_536, MAX_LATENCY_NS])
ENDS = st.integers(0, 2**43).map(lambda ms: ms * 1_000_000)
SAMPLES = st.lists(st.builds(RequestSample, KEYS, LATENCIES, ENDS), max_size=60)
COLUMNS = st.lists(st.lists(st.integers(0, 2**63 - 1), max_size=20), max_size=8)
COUNTED = st.lists(
    st.tuples(st.integers(0, 9) | st.just(70_000), st.integers(0, MAX_LATENCY_NS)), max_size=40
)


def rollups_of(counted: list[tuple[int, int]]) -> Rollups:
    series, latencies = zip(*counted, strict=True) if counted else ((), ())
    return Rollups.of(np.array(series, np.int64), np.array(latencies, np.int64))


@given(st.binary(max_size=30), COLUMNS, st.integers(0, 255))
def test_columns_of_any_lengths_survive(labels: bytes, given: list[list[int]], v: int) -> None:
    arrays = [np.array(column, np.int64) for column in given]
    found_labels, found = unpack(b"TEST", v, pack(b"TEST", v, labels, arrays))
    assert found_labels == labels
    assert [column.tolist() for column in found] == given
    assert all(column.dtype == np.int64 and column.flags.writeable for column in found)


@pytest.mark.parametrize("count", [1, 2, 256, 257, 5_000])
@pytest.mark.parametrize("octets", range(1, 9))
def test_columns_of_any_length_and_width_survive(count: int, octets: int) -> None:
    largest = (1 << min(8 * octets, 63)) - 1
    column = np.array([largest - number % 200 for number in range(count)], np.int64)
    _, (found,) = unpack(b"TEST", 0, pack(b"TEST", 0, b"", [column]))
    assert found.dtype == np.int64
    assert found.tolist() == column.tolist()


@given(SAMPLES)
def test_a_segment_holds_any_batch_in_whatever_order_of_time(
    samples: list[RequestSample],
) -> None:
    decoded = decode_segment(encode_segment(SampleBatch.of(samples)))
    assert decoded.samples() == samples
    assert all(
        column.dtype == np.int64
        for column in (decoded.endpoint, decoded.latency_ns, decoded.ended_at_ms)
    )


@pytest.mark.parametrize("labels", [1, 255, 256, 257, 65_535, 65_536, 65_537])
def test_labels_may_need_one_byte_two_or_three(labels: int) -> None:
    keys = [SeriesKey("shop", f"/{n}", "GET", 200) for n in range(labels)]
    zeros = np.zeros(labels, np.int64)
    decoded = decode_segment(encode_segment(SampleBatch.of_series(keys, zeros, zeros)))
    assert [decoded.key(row) for row in (0, labels // 2, labels - 1)] == [
        keys[row] for row in (0, labels // 2, labels - 1)
    ]
    assert decoded.endpoint.tolist() == list(range(labels))


def test_a_batch_without_samples_survives() -> None:
    decoded = decode_segment(encode_segment(SampleBatch.of([])))
    assert len(decoded) == 0
    assert decoded.samples() == []


def a_segment() -> bytes:
    return encode_segment(
        SampleBatch.of([sample(f"/{n % 3}", ms=n, ended_at=START_NS - n) for n in range(40)])
    )


def a_blob() -> bytes:
    return encode_rollups(rollups_of([(n % 5, 1_000 * n) for n in range(60)]))


POINT = CumulativePoint(
    b"0123456789abcdef",
    START_NS,
    MeasuredHistogram(7, 9, {0: 3, 2: 4}, min_ns=1, bounds=(0.5, 1.0)),
)


def some_histograms() -> bytes:
    key = SeriesKey("shop", "/pay", "GET", 200)
    rows = [measured(key, [n * 10**6 for n in range(at)], START_NS + at) for at in range(1, 6)]
    return encode_histograms(HistogramBatch.of(rows, [POINT]))


PACKED = [
    (a_segment(), decode_segment),
    (a_blob(), decode_rollups),
    (some_histograms(), decode_histograms),
]
IDS = ["segment", "rollups", "histograms"]


@pytest.mark.parametrize(("packed", "decode"), PACKED, ids=IDS)
def test_every_flipped_byte_is_refused(packed: bytes, decode: object) -> None:
    assert callable(decode)
    for place in range(len(packed)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(packed)
            changed[place] ^= flip
            with pytest.raises(DamagedColumns):
                decode(bytes(changed))


@pytest.mark.parametrize(("packed", "decode"), PACKED, ids=IDS)
def test_what_is_cut_or_has_something_behind_it_is_refused(packed: bytes, decode: object) -> None:
    assert callable(decode)
    for length in range(len(packed)):
        with pytest.raises(DamagedColumns):
            decode(packed[:length])
    with pytest.raises(DamagedColumns):
        decode(packed + b"\0")


@pytest.mark.parametrize(("packed", "decode"), PACKED, ids=IDS)
def test_a_version_of_the_future_is_refused_by_its_number(packed: bytes, decode: object) -> None:
    assert callable(decode)
    with pytest.raises(DamagedColumns, match="is of version 9, not 1"):
        decode(packed[:4] + b"\x09" + packed[5:])


def test_without_cells_the_rest_of_a_rollup_is_the_same_and_as_safe() -> None:
    whole, found = decode_rollups(a_blob()), decode_rollups(a_blob(), cells=False)
    assert [c.tolist() for c in found.columns] == [
        *[c.tolist() for c in whole.columns[:5]],
        [],
        [],
    ]
    for place in range(len(a_blob())):
        changed = bytearray(a_blob())
        changed[place] ^= 0x01
        with pytest.raises(DamagedColumns):
            decode_rollups(bytes(changed), cells=False)


def test_one_kind_of_frame_is_not_taken_for_another() -> None:
    with pytest.raises(DamagedColumns, match="starts with b'OPSR', not with b'OPSS'"):
        decode_segment(a_blob())
    with pytest.raises(DamagedColumns, match="starts with b'OPSS', not with b'OPSR'"):
        decode_rollups(a_segment())


LABELS = b"\x93\x91\x92\xa1s\xa2/a\x91\xa3GET\x91\xcc\xc8"
ONE, NONE, TWO = np.array([0]), np.array([], np.int64), np.array([0, 0])


def test_the_labels_above_are_those_of_one_series() -> None:
    decoded = decode_segment(pack(b"OPSS", 1, LABELS, [ONE, ONE, ONE, ONE, ONE, NONE]))
    assert decoded.samples() == [RequestSample(SeriesKey("s", "/a", "GET", 200), 0, 0)]


@pytest.mark.parametrize(
    ("labels", "columns", "said"),
    [
        (b"", [ONE] * 6, "has unreadable labels"),
        (b"\x93\x90\x90", [ONE] * 6, "has unreadable labels"),
        (LABELS, [ONE] * 5, "has 5 columns, not 6"),
        (LABELS, [ONE + 1, ONE, ONE, ONE, ONE, NONE], "has a wrong endpoint column"),
        (LABELS, [ONE, TWO, ONE, ONE, ONE, NONE], "has a wrong method column"),
        (LABELS, [ONE, ONE, NONE, ONE, ONE, NONE], "has a wrong status column"),
        (LABELS, [ONE, ONE, ONE, ONE, ONE, ONE], "has a wrong time column"),
    ],
)
def test_a_whole_frame_with_a_wrong_content_is_refused(
    labels: bytes, columns: list[np.ndarray[tuple[int], np.dtype[np.int64]]], said: str
) -> None:
    with pytest.raises(DamagedColumns, match=said):
        decode_segment(pack(b"OPSS", 1, labels, columns))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([ONE] * 6, "has 6 columns, not 7"),
        ([ONE, ONE, ONE, TWO, ONE, ONE, ONE], "has columns that differ in length"),
        ([ONE, ONE, ONE, ONE, ONE, ONE, TWO], "has columns that differ in length"),
    ],
)
def test_a_blob_with_wrong_columns_is_refused(
    columns: list[np.ndarray[tuple[int], np.dtype[np.int64]]], said: str
) -> None:
    with pytest.raises(DamagedColumns, match=said):
        decode_rollups(pack(b"OPSR", 1, b"", columns))


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(b"TEST", 1, bytes(100_000), [])
    monkeypatch.setattr(columns_module, "MAX_BYTES", 50_000)
    with pytest.raises(DamagedColumns, match="more than 50000 bytes"):
        unpack(b"TEST", 1, packed)


@settings(max_examples=tries(50))
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    for decode in (decode_segment, decode_rollups, decode_histograms):
        for magic in (b"", b"OPSS", b"OPSR", b"OPSH"):
            framed = pack(magic, 1, content, []) if magic else content
            with pytest.raises(DamagedColumns):
                decode(framed)


@given(COUNTED)
def test_a_blob_holds_any_rollups(counted: list[tuple[int, int]]) -> None:
    rollups = rollups_of(counted)
    decoded = decode_rollups(encode_rollups(rollups))
    assert decoded.same_as(rollups)
    assert encode_rollups(decoded) == encode_rollups(rollups)


def test_a_sample_takes_less_than_six_and_a_half_bytes() -> None:
    """Twenty routes, log-normal latencies in ns, a thousand requests a second."""
    dice = random.Random(11)
    routes = [f"/api/v1/thing{n}/{{id}}" for n in range(20)]
    samples = []
    ended_at = START_NS
    for _ in range(4_096):
        ended_at += int(dice.expovariate(1_000) * 1e9)
        route = routes[min(int(dice.expovariate(0.3)), 19)]
        status = dice.choices([200, 404, 500], [95, 4, 1])[0]
        ms = dice.lognormvariate(3, 0.8)
        samples.append(sample(route, status=status, ms=ms, ended_at=ended_at))
    assert len(encode_segment(SampleBatch.of(samples))) / len(samples) < 6.5


@given(
    st.lists(
        st.tuples(KEYS, st.lists(LATENCIES, max_size=5), ENDS, st.integers(0, 10**12)), max_size=20
    )
)
def test_histograms_survive_with_the_points_that_they_were_made_of(
    given: list[tuple[SeriesKey, list[int], int, int]],
) -> None:
    rows = [measured(key, took, end, min(lasted, end)) for key, took, end, lasted in given]
    batch = HistogramBatch.of(rows, [POINT] * (len(rows) % 3))
    decoded = decode_histograms(encode_histograms(batch))
    assert decoded == batch
    assert decoded.histograms() == rows
    assert list(decoded.points) == list(batch.points)


HISTOGRAM = RequestHistogram(SeriesKey("s", "/a", "GET", 200), 0, 0, 3, 1, 5, 4, {-9: 1, 7: 1})
HISTOGRAM_LABELS = b"\x94" + LABELS[1:] + b"\x90"
HISTOGRAM_COLUMNS = [0, 0, 0, 0, 0, 3, 1, 5, 4, 2]


def frame(change: dict[int, list[int]] | None = None, labels: bytes = HISTOGRAM_LABELS) -> bytes:
    columns = [[value] for value in HISTOGRAM_COLUMNS] + [[17, 14], [1, 1]]
    for place, column in (change or {}).items():
        columns[place] = column
    arrays = [np.array(column, np.int64) for column in columns if column != [-1]]
    return pack(b"OPSH", 1, labels, arrays)


def test_the_frame_above_is_that_of_one_histogram() -> None:
    assert decode_histograms(frame()) == HistogramBatch.of([HISTOGRAM])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({0: [1]}, "has a wrong endpoint column"),
        ({1: [1]}, "has a wrong method column"),
        ({2: [1]}, "has a wrong status column"),
        ({3: [0, 0]}, "has columns that differ in length"),
        ({10: [17]}, "has columns that differ in length"),
        ({9: [1]}, "has another number of buckets than its rows"),
        ({5: [4]}, "has buckets that do not add up to the count"),
        ({11: [-1]}, "has 11 columns, not 12"),
    ],
)
def test_histograms_that_contradict_themselves_are_refused(
    change: dict[int, list[int]], said: str
) -> None:
    with pytest.raises(DamagedColumns, match=said):
        decode_histograms(frame(change))
    with pytest.raises(DamagedColumns, match="has unreadable labels"):
        decode_histograms(frame(labels=LABELS))
