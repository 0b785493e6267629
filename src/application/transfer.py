"""The whole journal as NDJSON: out of any store, into any store, byte for byte."""

import base64
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Annotated, TypeAlias

import msgspec

from ..domain.entry import Encoded, Head, Recorded, Stream, UnreadableEntry
from .errors import BrokenChain, OpsboardError
from .ports import Journal

RESTORE_BATCH = 500

_CUT = "cut"

# What every store has room for.
Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class MalformedExport(OpsboardError):
    """A line is no entry of an export."""


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One entry as a line; a payload that is JSON stands as it was stored, another in base64."""

    stream: Stream
    number: Count
    recorded_at: Time
    kind: str
    version: Count
    payload: msgspec.Raw
    hash: str
    key: str | None = None
    fingerprint: str | None = None


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


async def count(journal: Journal) -> int:
    """How many entries an export has, about."""
    ends = [(await journal.head(s), await journal.cut(s)) for s in Stream]
    return sum(head.number - cut.number for head, cut in ends)


async def export(journal: Journal) -> AsyncIterator[bytes]:
    """Every entry, stream by stream, a line each with its line feed.

    Where retention removed entries, a line of the kind `cut` says which was the last of them.
    """
    for stream in Stream:
        if (cut := await journal.cut(stream)).number:
            yield _encode(_line(_as_entry(stream, cut))) + b"\n"
        async for page in journal.read(stream):
            for recorded in page:
                yield _encode(_line(recorded)) + b"\n"


def _as_entry(stream: Stream, cut: Head) -> Recorded:
    encoded = Encoded(_CUT, 1, b"{}")
    return Recorded(stream, cut.number, cut.recorded_at, encoded, cut.hash)


def _line(recorded: Recorded) -> _Line:
    return _Line(
        stream=recorded.stream,
        number=recorded.number,
        recorded_at=recorded.recorded_at,
        kind=recorded.encoded.kind,
        version=recorded.encoded.version,
        payload=_line_payload(recorded.encoded),
        hash=base64.b64encode(recorded.hash).decode(),
        key=recorded.key,
        fingerprint=(
            base64.b64encode(recorded.fingerprint).decode() if recorded.fingerprint else None
        ),
    )


def _line_payload(encoded: Encoded) -> msgspec.Raw:
    return msgspec.Raw(encoded.payload if encoded.is_json else _encode(encoded.payload))


def _payload(line: _Line) -> bytes:
    raw = bytes(line.payload)
    return msgspec.json.decode(raw, type=bytes) if raw.startswith(b'"') else raw


def _recorded(line: _Line) -> Recorded:
    return Recorded(
        stream=line.stream,
        number=line.number,
        recorded_at=line.recorded_at,
        encoded=Encoded(line.kind, line.version, _payload(line)),
        hash=base64.b64decode(line.hash, validate=True),
        key=line.key,
        fingerprint=base64.b64decode(line.fingerprint, validate=True) if line.fingerprint else None,
    )


class Restored(msgspec.Struct, frozen=True):
    """How many lines were appended, and how many the journal held already, exactly as they are."""

    imported: int = 0
    present: int = 0


class _Numbered(msgspec.Struct, frozen=True):
    """An entry, and the number of the line that it was read from."""

    line: int
    recorded: Recorded


async def restore(journal: Journal, lines: Iterable[bytes]) -> AsyncIterator[Restored]:
    """Append exported lines; gives how far it is, batch by batch.

    Lines that the journal holds already are compared with what it holds and passed over, so an
    import that was cut off can be run again. Raises `MalformedExport` or `BrokenChain` naming the
    line; what came before it stays.
    """
    restored = Restored()
    for run in _runs(lines):
        stream = run[0].recorded.stream
        if run[0].recorded.encoded.kind == _CUT:
            await _start_after(journal, run[0])
            continue
        head, cut = await journal.head(stream), await journal.cut(stream)
        present = [each for each in run if each.recorded.number <= head.number]
        await _compare(journal, cut, present)
        await _append(journal, head, run[len(present) :])
        restored = Restored(
            restored.imported + len(run) - len(present), restored.present + len(present)
        )
        yield restored


def _runs(lines: Iterable[bytes]) -> Iterator[list[_Numbered]]:
    """The lines in runs of one stream that count on one by one, of at most `RESTORE_BATCH`."""
    run: list[_Numbered] = []
    for number, line in enumerate(lines, start=1):
        try:
            recorded = _parse(number, line)
        except MalformedExport:
            if run:
                yield run
            raise
        if run and (len(run) >= RESTORE_BATCH or not _counts_on(run[-1].recorded, recorded)):
            yield run
            run = []
        run.append(_Numbered(number, recorded))
    if run:
        yield run


def _counts_on(previous: Recorded, recorded: Recorded) -> bool:
    return (
        recorded.stream is previous.stream
        and recorded.number == previous.number + 1
        and previous.encoded.kind != _CUT
    )


async def _start_after(journal: Journal, given: _Numbered) -> None:
    """Start an empty stream where the exported one was cut. Raises `BrokenChain`."""
    recorded = given.recorded
    head = await journal.head(recorded.stream)
    if head.number == 0:
        cut = Head(recorded.number, recorded.hash, recorded.recorded_at)
        await journal.restore_cut(recorded.stream, cut)
    elif head.number < recorded.number:
        raise BrokenChain(
            f"line {given.line}: the store ends at {recorded.stream} {head.number}, "
            f"and what is exported starts after {recorded.number}"
        )


async def _compare(journal: Journal, cut: Head, present: Sequence[_Numbered]) -> None:
    """Raises `BrokenChain` naming the first line that is not what the journal holds there.

    Of what retention removed, only the last entry's hash is known.
    """
    for each in present:
        if each.recorded.number == cut.number and each.recorded.hash != cut.hash:
            raise _another_journal(each)
    run = [each for each in present if each.recorded.number > cut.number]
    if not run:
        return
    first, last = run[0].recorded, run[-1].recorded
    expected = iter(run)
    async for page in journal.read(first.stream, first.number - 1, last.number):
        # The page is what is zipped first: at its end, no line must be lost.
        for held, given in zip(page, expected, strict=False):
            if held != given.recorded:
                raise _another_journal(given)
    if (unmatched := next(expected, None)) is not None:
        raise _another_journal(unmatched)


def _another_journal(given: _Numbered) -> BrokenChain:
    where = f"{given.recorded.stream} {given.recorded.number}"
    return BrokenChain(f"line {given.line}: the store holds another journal: its {where} differs")


async def _append(journal: Journal, head: Head, run: Sequence[_Numbered]) -> None:
    """Append the lines up to the first that is at fault, and raise what is wrong with that one."""
    sound, fault = _sound(journal, head, run)
    if sound:
        try:
            await journal.restore(sound)
        except BrokenChain as error:
            raise BrokenChain(f"line {run[0].line}: the store has grown: {error}") from error
    if fault is not None:
        raise fault


def _sound(
    journal: Journal, head: Head, run: Sequence[_Numbered]
) -> tuple[list[Recorded], OpsboardError | None]:
    """The entries that follow `head` and can be read, and what is wrong with the next one."""
    sound: list[Recorded] = []
    number, previous_hash = head.number, head.hash
    for each in run:
        recorded = each.recorded
        number += 1
        if recorded.number != number or not recorded.follows(previous_hash):
            return sound, BrokenChain(
                f"line {each.line}: {recorded.stream} {recorded.number} does not follow "
                f"the entry before it, {number - 1}"
            )
        try:
            journal.decode(recorded)
        except UnreadableEntry as error:
            return sound, MalformedExport(f"line {each.line}: {error}")
        sound.append(recorded)
        previous_hash = recorded.hash
    return sound, None


def _parse(number: int, line: bytes) -> Recorded:
    try:
        return _recorded(_decode(line))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedExport(f"line {number}: is no entry of an export: {error}") from error
