"""Request samples as JSON: one object, a list, or one on each line."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from ...domain.event import DEFAULT_SERVICE, MAX_SERVICE_LENGTH
from ...domain.instant import NS_PER_MS, parse_instant
from ...domain.instant_column import parse_instants
from ...domain.keyed_samples import (
    MAX_METHOD_LENGTH,
    MAX_ROUTE_LENGTH,
    MAX_STATUS_CODE,
    MAX_VIOLATIONS,
    MIN_STATUS_CODE,
    Find,
    KeyedSamples,
    numbered,
)
from ...domain.sample import MAX_LATENCY_NS, Ints
from ...domain.validation import InvalidInput, Violation
from .json_bodies import decoded
from .problems import BodyTooLarge

MAX_ROWS = 100_000

_MAX_VALUES = 8 * MAX_ROWS
_MAX_LATENCY_MS = MAX_LATENCY_NS // NS_PER_MS
_SAMPLE = "a sample"
_END_OF_LINE = ord("\n")


class SampleDraft(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A sample as `POST /samples` takes it. The limits are kept by the domain; here they are told.

    Nothing in it can refer to itself, so the garbage collector need not know of it.
    """

    route: Annotated[
        str,
        msgspec.Meta(
            description=f"the route template, 1-{MAX_ROUTE_LENGTH} characters, such as /cart/{{id}}"
        ),
    ]
    method: Annotated[
        str,
        msgspec.Meta(
            description=f"the HTTP method in any case, 1-{MAX_METHOD_LENGTH} characters; "
            "one that is not HTTP's counts as _OTHER"
        ),
    ]
    status_code: Annotated[int, msgspec.Meta(description=f"{MIN_STATUS_CODE} to {MAX_STATUS_CODE}")]
    latency_ms: Annotated[
        float,
        msgspec.Meta(description=f"milliseconds and parts of them, 0 to {_MAX_LATENCY_MS} (a day)"),
    ]
    service: Annotated[str, msgspec.Meta(description=f"1-{MAX_SERVICE_LENGTH} characters")] = (
        DEFAULT_SERVICE
    )
    ts: Annotated[
        str | msgspec.UnsetType,
        msgspec.Meta(description="when the request ended, as RFC 3339; now if left out"),
    ] = msgspec.UNSET


class Accepted(msgspec.Struct, frozen=True):
    """How many samples were recorded."""

    accepted: int


class _Row(NamedTuple):
    """One sample in a body: its bytes, and how what is wrong with it is told."""

    body: bytes
    pointer: str = ""
    place: str = ""

    def named(self, violation: Violation) -> Violation:
        return Violation(self.pointer + violation.pointer, violation.detail + self.place)


class Form(NamedTuple):
    """How samples lie in a body: `decode` gives them all at once, `rows` one by one."""

    decode: Callable[[bytes], list[SampleDraft]]
    rows: Callable[[bytes], Iterator[_Row]]


class Malformed(ValueError):
    """A body that is no samples; `first_faults` says why."""


_decode_one = msgspec.json.Decoder(SampleDraft).decode
_decode_list = msgspec.json.Decoder(list[SampleDraft]).decode
_decode_lines = msgspec.json.Decoder(SampleDraft).decode_lines
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _decoded_lines(body: bytes) -> list[SampleDraft]:
    drafts = _decode_lines(body)
    if len(drafts) > np.count_nonzero(np.frombuffer(body, np.uint8) == _END_OF_LINE) + 1:
        raise Malformed("two samples on one line")
    return drafts


def _parts(body: bytes) -> Iterator[_Row]:
    if body.count(b",") >= _MAX_VALUES:
        decoded(_decode_list, body, _SAMPLE)
    for row, part in enumerate(decoded(_decode_parts, body, _SAMPLE)):
        yield _Row(bytes(part), f"/{row}")


def _lines(body: bytes) -> Iterator[_Row]:
    lines = ((number, line) for number, line in enumerate(io.BytesIO(body), 1) if line.strip())
    for row, (number, line) in enumerate(lines):
        yield _Row(line, f"/{row}", f" (line {number})")


_ONE = Form(lambda body: [_decode_one(body)], lambda body: iter([_Row(body)]))
_LIST = Form(_decode_list, _parts)
LINES = Form(_decoded_lines, _lines)


def json_form(body: bytes) -> Form:
    """The form of a body that is one JSON text: a list, or one sample."""
    return _LIST if body.lstrip(b" \t\r\n")[:1] == b"[" else _ONE


def read_samples(form: Form, body: bytes, now_ms: int, find: Find) -> KeyedSamples:
    """The samples in a body; `now_ms` is the end of those that do not say when they ended.

    Raises `Malformed`, and `BodyTooLarge` for more than `MAX_ROWS`.
    """
    try:
        drafts = form.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if len(drafts) > MAX_ROWS:
        raise BodyTooLarge(f"The body must hold at most {MAX_ROWS} samples.")
    try:
        return _keyed(drafts, now_ms, find)
    except InvalidInput as error:
        raise Malformed(str(error)) from error


def _keyed(drafts: Sequence[SampleDraft], now_ms: int, find: Find) -> KeyedSamples:
    keys = [(d.service, d.route, d.method, d.status_code) for d in drafts]
    new, series = numbered(keys, find)
    return KeyedSamples(new, series, _latencies(drafts), _ends(drafts, now_ms))


def _latencies(drafts: Sequence[SampleDraft]) -> Ints:
    """In ns; beyond the bounds where they are beyond them, by however much."""
    said = np.array([draft.latency_ms for draft in drafts], np.float64)
    ns: Ints = np.rint(np.clip(said, 0, _MAX_LATENCY_MS + 1) * NS_PER_MS).astype(np.int64)
    ns[said < 0] = -1
    return ns


def _ends(drafts: Sequence[SampleDraft], now_ms: int) -> Ints:
    texts = [draft.ts for draft in drafts]
    said = [text for text in texts if text is not msgspec.UNSET]
    ends = parse_instants(said, "ts")
    if len(said) < len(texts):
        column = np.full(len(texts), now_ms, np.int64)
        column[[text is not msgspec.UNSET for text in texts]] = ends
        return column
    return ends


def first_faults(
    form: Form,
    body: bytes,
    now_ms: int,
    find: Find,
    check: Callable[[KeyedSamples], Sequence[Violation]],
) -> InvalidInput:
    """What is wrong with the first bad rows of a body, each looked at by itself.

    `check` gives the violations of samples that can be read, as `KeyedSamples.violations` does.
    """
    faults: list[tuple[int, Violation]] = []
    good: list[tuple[int, _Row, SampleDraft]] = []
    try:
        for number, row in enumerate(form.rows(body)):
            try:
                good.append((number, row, _one(row.body)))
            except InvalidInput as error:
                faults += [(number, row.named(violation)) for violation in error.violations]
            if len(faults) >= MAX_VIOLATIONS:
                break
    except InvalidInput as error:
        return error
    for violation in check(_keyed([draft for *_, draft in good], now_ms, find)):
        at, _, field = violation.pointer[1:].partition("/")
        number, row, _ = good[int(at)]
        faults.append((number, row.named(Violation(f"/{field}", violation.detail))))
    faults.sort(key=lambda fault: fault[0])
    return InvalidInput([violation for _, violation in faults[:MAX_VIOLATIONS]])


def _one(body: bytes) -> SampleDraft:
    draft = decoded(_decode_one, body, _SAMPLE)
    if draft.ts is not msgspec.UNSET:
        parse_instant(draft.ts, "/ts")
    return draft
