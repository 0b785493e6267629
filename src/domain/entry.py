"""What the journal holds: entries of a kind and a version, numbered and chained in a stream."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from .event import OperationalEvent
from .histogram_batch import HistogramBatch
from .sample import SampleBatch

GENESIS = bytes(32)

Entry: TypeAlias = OperationalEvent | SampleBatch | HistogramBatch
Upcaster: TypeAlias = Callable[[Any], Any]
Place: TypeAlias = "tuple[Stream, int, int, str, int, str | None, bytes | None]"
"""Stream, number, time, kind, version, key, fingerprint: what the hash covers beside payloads."""


class Stream(StrEnum):
    """The ordered parts of a journal, each numbered 1, 2, 3 ... on its own."""

    SAMPLES = "samples"
    EVENTS = "events"
    CHECKS = "checks"
    ALERTS = "alerts"


class UnreadableEntry(ValueError):
    """An entry's payload is of a kind or version that is not known here, or is damaged."""


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """An entry as it is stored: its kind, the version of its encoding, and the bytes."""

    kind: str
    version: int
    payload: bytes

    @property
    def is_json(self) -> bool:
        """Whether the payload is a JSON object on one line; no other encoding starts like one."""
        return self.payload.startswith(b"{")


class PayloadFormat:
    """How the newest version of a kind of entry is turned into bytes, and back."""

    def __init__(self, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> None:
        """`decode` raises a `ValueError` for bytes that `encode` did not give."""
        self.encode = encode
        self.decode = decode


class JsonFormat(PayloadFormat):
    """JSON on one line, decoded to a msgspec type."""

    def __init__(self, type_: Any) -> None:
        """Encode and decode values of this type."""
        super().__init__(_encode_json, msgspec.json.Decoder(type_).decode)
        self._type = type_

    def convert(self, value: Any) -> Any:
        """The value that a decoded JSON document stands for. Raises `msgspec.ValidationError`."""
        return msgspec.convert(value, self._type)


_encode_json = msgspec.json.Encoder().encode


class Kind(msgspec.Struct, frozen=True):
    """A kind of entry: its type, the newest version of its encoding, and that encoding.

    `upcasters[version]` turns what that version decodes to, which is JSON, into the next one's; the
    last of them may give the entry itself.
    """

    type: type[Entry]
    newest: int
    format: PayloadFormat
    upcasters: Mapping[int, Upcaster] = {}


class Codec:
    """Encodes each kind of entry in its newest version, and decodes every version ever written."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        """Take the kinds by their names."""
        self._kinds = dict(kinds)
        self._names = {kind.type: name for name, kind in kinds.items()}

    def encode(self, entry: Entry) -> Encoded:
        """The entry in the newest version of its kind."""
        name = self._names[type(entry)]
        kind = self._kinds[name]
        return Encoded(name, kind.newest, kind.format.encode(entry))

    def decode(self, encoded: Encoded) -> Entry:
        """The entry that this stands for, brought up to the newest version.

        Raises `UnreadableEntry`.
        """
        kind = self._kinds.get(encoded.kind)
        said = f"{encoded.kind!r} version {encoded.version}"
        if kind is None or not 1 <= encoded.version <= kind.newest:
            raise UnreadableEntry(f"{said} is not known to this opsboard")
        try:
            return _decoded(kind, encoded)
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError) as error:
            raise UnreadableEntry(f"{said} is damaged: {error}") from error

    def decode_recorded(self, recorded: "Recorded") -> Entry:
        """The entry in a place. Raises `UnreadableEntry`."""
        return self.decode(recorded.encoded)


def _decoded(kind: Kind, encoded: Encoded) -> Entry:
    if encoded.version == kind.newest:
        newest: Entry = kind.format.decode(encoded.payload)
        return newest
    value = msgspec.json.decode(encoded.payload)
    for version in range(encoded.version, kind.newest):
        value = kind.upcasters[version](value)
    if not isinstance(value, kind.type):
        value = msgspec.convert(value, kind.type)
    return value


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An entry in its place: what a journal gives back.

    `recorded_at` is in ns since 1970 and never falls within a stream. `key` and `fingerprint` are
    those of an idempotent append. `hash` is SHA-256 over the previous entry's hash and all of the
    above, so that one changed byte anywhere breaks the chain from there on.
    """

    stream: Stream
    number: int
    recorded_at: int
    encoded: Encoded
    hash: bytes
    key: str | None = None
    fingerprint: bytes | None = None

    def follows(self, previous_hash: bytes) -> bool:
        """Whether the hash is the one that this entry has after an entry with that hash."""
        e = self.encoded
        place = (
            self.stream, self.number, self.recorded_at, e.kind, e.version, self.key,
            self.fingerprint,
        )  # fmt: skip
        return self.hash == chain(previous_hash, place, e.payload)


_sha256 = hashlib.sha256
_encode_place = msgspec.msgpack.Encoder().encode


def chain(previous_hash: bytes, place: Place, payload: bytes) -> bytes:
    """SHA-256 over the previous hash, every field of the entry and its payload."""
    return _sha256(previous_hash + _encode_place(place) + payload).digest()


class Head(msgspec.Struct, frozen=True):
    """One end of a stream: an entry's number, hash and time; 0 before the first entry.

    The head proper is that of the newest entry; the cut is that of the last entry that retention
    removed, which the chain starts from.
    """

    number: int = 0
    hash: bytes = GENESIS
    recorded_at: int = 0


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A caller's name for one append, and what it stands for: a retry is told from a clash."""

    name: str
    fingerprint: bytes


def append_to(
    stream: Stream,
    head: Head,
    entries: Iterable[Encoded],
    now: int,
    key: IdempotencyKey | None,
) -> list[Recorded]:
    """The entries as they follow `head`, at `now`, or at the head's time if the clock fell."""
    recorded_at = max(now, head.recorded_at)
    number, hash_ = head.number, head.hash
    name, fingerprint = (key.name, key.fingerprint) if key else (None, None)
    appended = []
    for encoded in entries:
        number += 1
        place = (
            stream, number, recorded_at, encoded.kind, encoded.version, name, fingerprint
        )  # fmt: skip
        hash_ = chain(hash_, place, encoded.payload)
        appended.append(Recorded(stream, number, recorded_at, encoded, hash_, name, fingerprint))
    return appended


def first_break(head: Head, entries: Iterable[Recorded]) -> Recorded | None:
    """The first entry that does not follow `head` and those before it, number by number."""
    number, previous_hash = head.number, head.hash
    for recorded in entries:
        number += 1
        if recorded.number != number or not recorded.follows(previous_hash):
            return recorded
        previous_hash = recorded.hash
    return None
