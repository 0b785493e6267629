"""The whole journal as NDJSON: out of any store, into any store, byte for byte."""

import base64
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Annotated, TypeAlias

import msgspec

from ..domain.entry import Encoded, Head, Recorded, Stream, UnreadableEntry
from .errors import BrokenChain, OpsboardError
from .ports import Journal

RESTORE_BATCH = 500

# What every store has room for.
Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class MalformedExport(OpsboardError):
    """A line is no entry of an export."""


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One entry as a line; the payload is JSON as it was stored, to the byte."""

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
    """How many entries an export has."""
    return sum([(await journal.head(stream)).number for stream in Stream])


async def export(journal: Journal) -> AsyncIterator[bytes]:
    """Every entry, stream by stream, a line each with its line feed."""
    for stream in Stream:
        async for page in journal.read(stream):
            for recorded in page:
                yield _encode(_line(recorded)) + b"\n"


def _line(recorded: Recorded) -> _Line:
    return _Line(
        stream=recorded.stream,
        number=recorded.number,
        recorded_at=recorded.recorded_at,
        kind=recorded.encoded.kind,
        version=recorded.encoded.version,
        payload=msgspec.Raw(recorded.encoded.payload),
        hash=base64.b64encode(recorded.hash).decode(),
        key=recorded.key,
        fingerprint=(
            base64.b64encode(recorded.fingerprint).decode() if recorded.fingerprint else None
        ),
    )


def _recorded(line: _Line) -> Recorded:
    return Recorded(
        stream=line.stream,
        number=line.number,
        recorded_at=line.recorded_at,
        encoded=Encoded(line.kind, line.version, bytes(line.payload)),
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
        head = await journal.head(run[0].recorded.stream)
        present = [each for each in run if each.recorded.number <= head.number]
        await _compare(journal, present)
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
    return recorded.stream is previous.stream and recorded.number == previous.number + 1


async def _compare(journal: Journal, run: Sequence[_Numbered]) -> None:
    """Raises `BrokenChain` naming the first line that is not what the journal holds there."""
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
    sound, fault = _sound(head, run)
    if sound:
        try:
            await journal.restore(sound)
        except BrokenChain as error:
            raise BrokenChain(f"line {run[0].line}: the store has grown: {error}") from error
    if fault is not None:
        raise fault


def _sound(head: Head, run: Sequence[_Numbered]) -> tuple[list[Recorded], OpsboardError | None]:
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
            recorded.entry  # noqa: B018
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
