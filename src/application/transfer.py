"""The whole journal as NDJSON: out of any store, into any store, byte for byte."""

import base64
import binascii
from collections.abc import AsyncIterator, Iterable

import msgspec

from ..domain.entry import Encoded, Recorded, Stream
from .errors import BrokenChain, OpsboardError
from .ports import Journal

RESTORE_BATCH = 500


class MalformedExport(OpsboardError):
    """A line is no entry of an export."""


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One entry as a line; a payload that is JSON stands as it was stored, another in base64."""

    stream: Stream
    number: int
    recorded_at: int
    kind: str
    version: int
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


async def restore(journal: Journal, lines: Iterable[bytes]) -> AsyncIterator[int]:
    """Append exported lines; gives how many lines were taken, batch by batch.

    Entries that the journal has already are passed over, so an import that was cut off can be run
    again. Raises `MalformedExport` or `BrokenChain` naming the line; what came before it stays.
    """
    heads = {stream: await journal.head(stream) for stream in Stream}
    batch: list[Recorded] = []
    taken = 0
    for number, line in enumerate(lines, start=1):
        recorded = _parse(number, line)
        head = heads[recorded.stream]
        taken += 1
        if recorded.number <= head.number:
            if recorded.number == head.number and recorded.hash != head.hash:
                raise BrokenChain(
                    f"line {number}: the store holds another journal: "
                    f"its {recorded.stream} {recorded.number} differs"
                )
            continue
        if batch and (batch[0].stream is not recorded.stream or len(batch) >= RESTORE_BATCH):
            await _append(journal, batch, number - 1)
            batch = []
            yield taken - 1
        batch.append(recorded)
    if batch:
        await _append(journal, batch, taken)
    yield taken


async def _append(journal: Journal, batch: list[Recorded], last_line: int) -> None:
    try:
        await journal.restore(batch)
    except BrokenChain as error:
        raise BrokenChain(f"within the lines up to {last_line}: {error}") from error


def _parse(number: int, line: bytes) -> Recorded:
    try:
        return _recorded(_decode(line))
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError, RecursionError) as error:
        raise MalformedExport(f"line {number}: is no entry of an export: {error}") from error
