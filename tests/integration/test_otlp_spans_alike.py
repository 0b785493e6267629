"""Spans that are read together give what they give one by one, whatever they are like."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opsboard.adapters.http.otlp import span_layout
from opsboard.adapters.http.otlp.encoding import Encoding
from opsboard.adapters.http.otlp.messages import Traces
from opsboard.adapters.http.otlp.span_layout import by_layout
from opsboard.adapters.http.otlp.span_reader import SpanReader
from opsboard.adapters.http.otlp.uniformity import Uniformity
from opsboard.application.board import Opsboard
from opsboard.domain.validation import InvalidInput

from .otlp import attributes, span, traces

COUNT = 200


def plain(_: Span, __: Random) -> None:
    """Nothing is added."""


def with_parent(made: Span, random: Random) -> None:
    made.parent_span_id = random.randbytes(8)
    made.flags = random.choice([1, 257])


def with_long_text(made: Span, random: Random) -> None:
    text = "x" * random.choice([100, 127, 128, 300, 16_000, 20_000])
    made.attributes.extend(attributes({"http.user_agent": text}))


def with_status(made: Span, random: Random) -> None:
    made.status.CopyFrom(random.choice([Status(), Status(code=Status.STATUS_CODE_OK)]))


def with_said_status(made: Span, _: Random) -> None:
    made.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="no"))


def without_status_code(made: Span, random: Random) -> None:
    del made.attributes[-1]
    made.status.code = random.choice([Status.STATUS_CODE_ERROR, Status.STATUS_CODE_OK])


def with_exception(made: Span, random: Random) -> None:
    event = made.events.add(name="exception")
    event.attributes.extend(attributes({"exception.type": f"Error{random.randint(0, 9)}"}))


def with_counts(made: Span, random: Random) -> None:
    made.dropped_attributes_count = random.choice([1, 127, 128])
    made.links.add(trace_id=made.trace_id)


def with_wrong_ids(made: Span, random: Random) -> None:
    made.trace_id = random.randbytes(random.choice([0, 8, 15, 16, 17]))
    made.span_id = random.randbytes(random.choice([0, 7, 8, 9]))


def without_a_time(made: Span, random: Random) -> None:
    made.ClearField(random.choice(["start_time_unix_nano", "end_time_unix_nano"]))


def of_another_kind(made: Span, random: Random) -> None:
    made.kind = random.choice([0, 1, 3, 5, 1_000, -1])  # type: ignore[assignment]


def without_a_kind(made: Span, _: Random) -> None:
    made.ClearField("kind")


Change: TypeAlias = Callable[[Span, Random], None]
CHANGES: Sequence[Change] = (
    plain, with_parent, with_long_text, with_status, with_said_status, without_status_code,
    with_exception, with_counts, with_wrong_ids, without_a_time, of_another_kind, without_a_kind,
)  # fmt: skip
"""What makes spans of one service differ, from span to span and from layout to layout."""


def spans_of(random: Random, changes: Sequence[Change]) -> Sequence[Span]:
    made = [
        span(n, route=f"/{n % 7}", http__status_code=200 + n % 3, port=n)
        for n in range(1, COUNT + 1)
    ]
    for each in made:
        random.choice(changes)(each, random)
    return made


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch, board: Opsboard) -> "OneByOne":
    return OneByOne(monkeypatch, board)


class OneByOne:
    """Reads bodies one by one and together, with a reader of its own each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, board: Opsboard) -> None:
        self._patch = monkeypatch
        self.apart, self.together = (SpanReader(Encoding.PROTOBUF, board.samples) for _ in "12")

    async def is_the_same(self, body: bytes) -> bool:
        with self._patch.context() as apart:
            apart.setattr(span_layout, "WORTH_A_LAYOUT", 1 << 30)
            expected = await said_of(self.apart, body)
        said = await said_of(self.together, body)
        return bool(said == expected)


async def said_of(reader: SpanReader, body: bytes) -> Any:
    try:
        columns, *rest = await reader.read(body)
    except InvalidInput as error:
        return str(error)
    return [column.tolist() for column in columns], rest


@pytest.mark.parametrize("seed", range(30))
async def test_alike_or_not_they_give_the_same(seed: int, one_by_one: OneByOne) -> None:
    random = Random(seed)
    for _ in range(3):
        chosen = random.sample(CHANGES, random.choice([1, 2, 3, 12]))
        request = traces(*spans_of(random, chosen))
        assert await one_by_one.is_the_same(request.SerializeToString())


@pytest.mark.parametrize("seed", range(10))
async def test_changed_bytes_are_taken_or_refused_as_one_by_one(
    seed: int, one_by_one: OneByOne
) -> None:
    random = Random(seed)
    body = traces(*spans_of(random, CHANGES[:4])).SerializeToString()
    seen = Counter[bool]()
    for _ in range(20):
        changed = bytearray(body)
        for _ in range(random.choice([1, 3])):
            changed[random.randrange(len(changed))] = random.choice(b"\0\1\2\n\x12\x4a\x7a\x80\xff")
        seen[is_protobuf(bytes(changed))] += 1
        assert await one_by_one.is_the_same(bytes(changed))
    assert seen[True]


def is_protobuf(body: bytes) -> bool:
    try:
        Traces.FromString(body)
    except DecodeError:
        return False
    return True


def of_length(content: bytes) -> bytes:
    """An attribute."""
    assert len(content) < 128
    return b"\x4a" + bytes([len(content)]) + content


METHOD = of_length(attributes({"http.method": "GET"})[0].SerializeToString())
IN_OTHER_FIELDS = b"\x01" + METHOD
IN_OTHER_FIELDS += of_length(b"y" * (0x60 - len(IN_OTHER_FIELDS) - 2))


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x50\x80\x60\x01", id="a number that is not over, then none"),
        pytest.param(b"\x7a\x02\x18\x80", id="a status with a number that is not over"),
        pytest.param(b"\x7a\x01\x08", id="a status that is none"),
        pytest.param(b"\x7a\x02\x10\x00", id="a status with something else than a code"),
        pytest.param(b"\x4a\x05ab", id="an attribute that is cut off"),
        pytest.param(
            b"\x4a\x80\x80\x01" + b"x" * 0x3FFF + b"\x50" + of_length(IN_OTHER_FIELDS),
            id="a length of three bytes, behind which two would find other fields",
        ),
    ],
)
async def test_what_only_looks_like_fields_is_none(said: bytes, one_by_one: OneByOne) -> None:
    bare = [span(n) for n in range(1, 99)]
    for each in bare:
        each.ClearField("attributes")
    message = Traces()
    spans = [each + said for each in raw(bare)]
    message.resource_spans.add().scope_spans.add().spans.extend(spans)
    assert len(by_layout(spans, Uniformity()).left) == len(spans)
    assert await one_by_one.is_the_same(message.SerializeToString())


def raw(spans: Sequence[Span]) -> Sequence[bytes]:
    return [each.SerializeToString() for each in spans]


def test_of_a_few_layouts_no_span_is_left_to_be_read_alone() -> None:
    random = Random(1)
    found = by_layout(raw(spans_of(random, [plain, with_parent])), Uniformity())
    assert sum(len(block.rows) for block in found.blocks) > COUNT - span_layout.WORTH_A_LAYOUT
    assert by_layout(raw(spans_of(random, [plain])), Uniformity()).left == []


def test_where_spans_are_not_alike_the_next_ones_are_not_looked_at() -> None:
    diverse = raw([span(n, said={f"a{i}": i for i in range(n % 40)}) for n in range(1, COUNT + 1)])
    uniformity = Uniformity()
    assert len(by_layout(diverse, uniformity).left) == COUNT
    assert not uniformity.is_to_be_tried()


def test_what_was_in_vain_is_tried_ever_more_rarely() -> None:
    uniformity = Uniformity()
    tried = []
    for number in range(300):
        if uniformity.is_to_be_tried():
            tried.append(number)
            uniformity.tell(were_alike=False)
    assert [after - before for before, after in pairwise(tried)] == [2, 4, 8, 16, 32, 64, 65, 65]
    uniformity.tell(were_alike=True)
    assert uniformity.is_to_be_tried()
