"""Spans in protobuf whose fields come in the same order, read at once.

An SDK writes spans of one kind alike: only what the fields say differs. So a field is found in all
of them with a few passes over arrays, one field after the other, and no object is made of what is
not looked at. Spans that are not of a layout found here are left to protobuf's own parser.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ....domain.recent_ids import Mask
from ....domain.sample import Ints
from ....domain.span import SPAN_ID_LENGTH, TRACE_ID_LENGTH, Words
from .messages import Span
from .resources import Places
from .uniformity import Uniformity

WORTH_A_LAYOUT = 64
"""Fewer spans are read faster one by one."""
ALIKE = 4
"""Where fewer than a fourth have a layout, it is not worth to look for more."""

_WORD = 8
_PADDING = bytes(2 * _WORD)
"""Behind the last span, so that a word may be read at its end."""
_PAYLOAD_BITS = 7
_MORE = 1 << _PAYLOAD_BITS
_SERVER = 2
_CODE_ALONE = 2
_CODE_TAG = 0x18


class _Field(NamedTuple):
    """A field of a span: its name, its tag, and how long its content is, where no length says it.

    Numbers of variable length are taken where they are one byte.
    """

    name: str
    tag: bytes
    size: int | None = None


_FIELDS = {
    field.tag[0]: field
    for field in (
        _Field("trace_id", b"\x0a"),
        _Field("span_id", b"\x12"),
        _Field("trace_state", b"\x1a"),
        _Field("parent_span_id", b"\x22"),
        _Field("name", b"\x2a"),
        _Field("kind", b"\x30", 1),
        _Field("start", b"\x39", 8),
        _Field("end", b"\x41", 8),
        _Field("attribute", b"\x4a"),
        _Field("dropped_attributes_count", b"\x50", 1),
        _Field("event", b"\x5a"),
        _Field("dropped_events_count", b"\x60", 1),
        _Field("link", b"\x6a"),
        _Field("dropped_links_count", b"\x70", 1),
        _Field("status", b"\x7a"),
        _Field("flags", b"\x85\x01", 4),
    )
}
_REPEATED = frozenset({"attribute", "event", "link"})

_Layout: TypeAlias = Sequence[_Field]
_Octets: TypeAlias = npt.NDArray[np.uint8]


class _Found(NamedTuple):
    """A field in each span: where its length stands, where its content does, and how long it is."""

    head: Ints
    at: Ints
    lengths: Ints


_Fields: TypeAlias = Sequence[tuple[str, _Found]]
"""By name, in the order of the layout."""


class LaidOut:
    """The server spans of one layout; see `SpanBlock`."""

    def __init__(self, spans: Sequence[bytes], rows: Ints, joined: bytes, found: _Fields) -> None:
        """Of `spans`, those at `rows`; each field of theirs is `found` in `joined`."""
        self.rows = rows
        self._spans = spans
        self._joined = joined
        self._found = dict(found)
        self._attributes = [
            (place, each) for place, (name, each) in enumerate(found) if name == "attribute"
        ]

    def naming(self, places: Mapping[int, Places]) -> Sequence[Hashable]:
        """See `SpanBlock.naming`: attributes that stand together are not cut apart."""
        known = places.get(len(self._attributes))
        if known is None:
            return [None] * len(self.rows)
        stretches = [self._stretch(first, last) for first, last in self._runs(known.of_naming)]
        return list(zip(*stretches, strict=True))

    def _runs(self, chosen: Sequence[int]) -> Sequence[list[int]]:
        """The first and the last of those attributes between which stands no other field."""
        runs: list[list[int]] = []
        for number in chosen:
            if runs and self._attributes[number][0] == self._attributes[runs[-1][1]][0] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        return runs

    def _stretch(self, first: int, last: int) -> Sequence[bytes]:
        """From the length of one attribute on, so that no others have the same bytes."""
        end = self._attributes[last][1]
        starts, ends = self._attributes[first][1].head, end.at + end.lengths
        joined = self._joined
        return [
            joined[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def span(self, at: int) -> Any:
        """See `SpanBlock.span`."""
        return Span.FromString(self._spans[int(self.rows[at])])

    def columns(self, kept: Ints) -> tuple[Words, Words, Words]:
        """See `SpanBlock.columns`."""
        octets = np.frombuffer(self._joined, np.uint8)
        words: Words = np.ndarray((len(octets) - _WORD + 1,), "<u8", octets, strides=(1,))
        ids = np.zeros((len(kept), 3), np.uint64)
        trace_id, span_id = self._found.get("trace_id"), self._found.get("span_id")
        if trace_id is not None and span_id is not None:
            first, last = trace_id.at[kept], span_id.at[kept]
            ids[:, 0], ids[:, 1], ids[:, 2] = words[first], words[first + _WORD], words[last]
            bad = trace_id.lengths[kept] != TRACE_ID_LENGTH
            bad |= span_id.lengths[kept] != SPAN_ID_LENGTH
            ids[bad] = 0
        starts, ends = (
            np.zeros(len(kept), np.uint64) if field is None else words[field.at[kept]]
            for field in map(self._found.get, ("start", "end"))
        )
        return ids, starts, ends


class ByLayout(NamedTuple):
    """What was found: server spans, how many are of other kinds, and whose places are left.

    Those of any kind that have events are named besides.
    """

    blocks: Sequence[LaidOut]
    not_kept: int
    with_events: Sequence[int]
    left: Sequence[int]


def by_layout(spans: Sequence[bytes], uniformity: Uniformity) -> ByLayout:
    """Read spans as far as many of them are alike; `uniformity` is that of those who sent them."""
    left = np.arange(len(spans))
    if len(left) < WORTH_A_LAYOUT or not uniformity.is_to_be_tried():
        return ByLayout((), 0, (), left.tolist())
    joined = b"".join([*spans, _PADDING])
    octets = np.frombuffer(joined, np.uint8)
    ends = np.cumsum(np.fromiter(map(len, spans), np.int64, len(spans)))
    starts = np.concatenate([[0], ends[:-1]])
    blocks: list[LaidOut] = []
    with_events: list[int] = []
    not_kept = 0
    while len(left) >= WORTH_A_LAYOUT:
        layout = _layout_of(spans[int(left[0])])
        alike, found = _walk(octets, starts[left], ends[left], layout)
        count = int(np.count_nonzero(alike))
        if count * ALIKE < len(left):
            break
        served = _served(octets, alike, found)
        not_kept += count - len(served)
        if any(name == "event" for name, _ in found):
            with_events += left[alike].tolist()
        if len(served):
            of_served = found if len(served) == len(left) else _chosen(found, served)
            blocks.append(LaidOut(spans, left[served], joined, of_served))
        left = left[~alike]
    uniformity.tell(were_alike=2 * len(left) <= len(spans))
    return ByLayout(blocks, not_kept, with_events, left.tolist())


def _served(octets: _Octets, alike: Mask, found: _Fields) -> Ints:
    """The places of the server spans among those that are alike."""
    kinds = dict(found).get("kind")
    if kinds is None:
        return np.zeros(0, np.int64)
    return np.flatnonzero(alike & (octets.take(kinds.at, mode="clip") == _SERVER))


def _chosen(found: _Fields, chosen: Ints) -> _Fields:
    return [(name, _Found(*(column[chosen] for column in each))) for name, each in found]


def _layout_of(span: bytes) -> _Layout:
    """The fields of a span, in their order; what is none of them ends it, and so fits no span."""
    layout: list[_Field] = []
    at = 0
    while at < len(span):
        field = _FIELDS.get(span[at])
        if field is None or (field in layout and field.name not in _REPEATED):
            break
        layout.append(field)
        at += len(field.tag)
        if field.size is None:
            length, at = _length_at(span, at)
            at += length
        else:
            at += field.size
    return layout


def _length_at(span: bytes, at: int) -> tuple[int, int]:
    """A length of one byte or two, and where what it says begins."""
    low, high = (*span[at : at + 2], 0, 0)[:2]
    return (low, at + 1) if low < _MORE else (low - _MORE + (high << _PAYLOAD_BITS), at + 2)


def _walk(octets: _Octets, starts: Ints, ends: Ints, layout: _Layout) -> tuple[Mask, _Fields]:
    """Which spans have this layout and nothing else, and where their fields stand.

    Of the others, nothing that is found means anything.
    """
    good = np.ones(len(starts), np.bool_)
    found: list[tuple[str, _Found]] = []
    at = starts
    for field in layout:
        for octet in field.tag:
            good &= octets.take(at, mode="clip") == octet
            at = at + 1
        head = at
        if field.size is None:
            lengths, at = _lengths(octets, at, good)
            if field.name == "status":
                good &= _is_code_alone(octets, at, lengths)
        else:
            lengths = np.full(len(at), field.size)
            if field.size == 1:
                good &= octets.take(at, mode="clip") < _MORE
        found.append((field.name, _Found(head, at, lengths)))
        at = at + lengths
    good &= at == ends
    return good, found


def _lengths(octets: _Octets, at: Ints, good: Mask) -> tuple[Ints, Ints]:
    """Lengths of one byte or two, and where what they say begins; longer ones are not `good`."""
    lengths = octets.take(at, mode="clip").astype(np.int64)
    at = at + 1
    if lengths.max() < _MORE:
        return lengths, at
    is_long = lengths >= _MORE
    high = octets.take(at, mode="clip").astype(np.int64)
    good &= ~is_long | (high < _MORE)
    return np.where(is_long, lengths - _MORE + (high << _PAYLOAD_BITS), lengths), at + is_long


def _is_code_alone(octets: _Octets, at: Ints, lengths: Ints) -> Mask:
    """Whether a status is empty, or a code of one byte: what else it may hold is not looked at."""
    is_code = octets.take(at, mode="clip") == _CODE_TAG
    is_code &= octets.take(at + 1, mode="clip") < _MORE
    alone: Mask = (lengths == 0) | (is_code & (lengths == _CODE_ALONE))
    return alone
