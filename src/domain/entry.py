"""What the journal holds: entries of a kind and a version, numbered and chained in a stream."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from .event import OperationalEvent
from .sample import SampleBatch, columns_of_rows

GENESIS = bytes(32)

Entry: TypeAlias = OperationalEvent | SampleBatch
Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


class Stream(StrEnum):
    """The ordered parts of a journal, each numbered 1, 2, 3 ... on its own."""

    SAMPLES = "samples"
    EVENTS = "events"
    CHECKS = "checks"
    ALERTS = "alerts"


class UnreadableEntry(ValueError):
    """An entry's payload is of a kind or version that is not known here, or is damaged."""


class Encoded(msgspec.Struct, frozen=True):
    """An entry as it is stored: its kind, the version of its encoding, and JSON on one line."""

    kind: str
    version: int
    payload: bytes


class Codec:
    """Encodes each kind of entry in its newest version, and decodes every version ever written.

    `upcasters[kind, version]` turns the JSON object of that version into the next one's.
    """

    def __init__(
        self,
        kinds: Mapping[str, tuple[type[Entry], int]],
        upcasters: Mapping[tuple[str, int], Upcaster],
    ) -> None:
        """Take the kinds, each with its type and newest version, and the upcasters."""
        self._newest = {kind: version for kind, (_, version) in kinds.items()}
        self._types = {kind: type_ for kind, (type_, _) in kinds.items()}
        self._kinds = {type_: kind for kind, type_ in self._types.items()}
        self._decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in self._types.items()}
        self._upcasters = dict(upcasters)
        self._encode = msgspec.json.Encoder().encode

    def encode(self, entry: Entry) -> Encoded:
        """The entry in the newest version of its kind."""
        kind = self._kinds[type(entry)]
        return Encoded(kind, self._newest[kind], self._encode(entry))

    def decode(self, kind: str, version: int, payload: bytes) -> Entry:
        """The entry that this payload stands for, brought up to the newest version.

        Raises `UnreadableEntry`.
        """
        newest = self._newest.get(kind)
        if newest is None or not 1 <= version <= newest:
            raise UnreadableEntry(f"{kind!r} version {version} is not known to this opsboard")
        try:
            if version == newest:
                return self._decoders[kind].decode(payload)
            value = msgspec.json.decode(payload)
            for step in range(version, newest):
                value = self._upcasters[kind, step](value)
            return msgspec.convert(value, self._types[kind])
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableEntry(f"{kind!r} version {version} is damaged: {error}") from error


CODEC = Codec(
    kinds={"event": (OperationalEvent, 1), "samples": (SampleBatch, 2)},
    upcasters={("samples", 1): columns_of_rows},
)


class Recorded(msgspec.Struct, frozen=True):
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

    @property
    def entry(self) -> Entry:
        """The entry, decoded at each access. Raises `UnreadableEntry`."""
        encoded = self.encoded
        return CODEC.decode(encoded.kind, encoded.version, encoded.payload)

    def follows(self, previous_hash: bytes) -> bool:
        """Whether the hash is the one that this entry has after an entry with that hash."""
        return self.hash == chain(previous_hash, self)


def chain(previous_hash: bytes, recorded: Recorded) -> bytes:
    """SHA-256 over the previous hash, every field of the entry and its payload."""
    head = msgspec.msgpack.encode(
        (
            recorded.stream,
            recorded.number,
            recorded.recorded_at,
            recorded.encoded.kind,
            recorded.encoded.version,
            recorded.key,
            recorded.fingerprint,
        )
    )
    return hashlib.sha256(b"".join((previous_hash, head, recorded.encoded.payload))).digest()


class Head(msgspec.Struct, frozen=True):
    """The end of a stream: the newest entry's number, hash and time; 0 before the first entry."""

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
    number, previous_hash = head.number, head.hash
    appended = []
    for encoded in entries:
        number += 1
        link = Recorded(
            stream=stream,
            number=number,
            recorded_at=recorded_at,
            encoded=encoded,
            hash=b"",
            key=key.name if key else None,
            fingerprint=key.fingerprint if key else None,
        )
        previous_hash = chain(previous_hash, link)
        appended.append(msgspec.structs.replace(link, hash=previous_hash))
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
