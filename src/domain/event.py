"""Operational events: one thing that somebody chose to say, and the limits on saying it."""

import math
import re
from enum import StrEnum
from typing import Any, Self, TypeAlias

import msgspec

from .instant import NS_PER_MS
from .secret_keys import USUAL, SecretKeys
from .validation import InvalidInput, Violation, character_faults, pointer_to, text_violations
from .words import TextQuery, texts, words

DEFAULT_SERVICE = "api"
MAX_SERVICE_LENGTH = 80
MAX_MESSAGE_LENGTH = 1_000
MAX_META_BYTES = 16 * 1024
MAX_META_DEPTH = 64

_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_Place: TypeAlias = "tuple[_Place, str | int] | None"
_encode = msgspec.json.Encoder().encode


class Level(StrEnum):
    """How bad it is, from least to most."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"
    FATAL = "FATAL"


class EventType(StrEnum):
    """The types everybody knows; a name of one's own is a type too."""

    AUDIT = "AUDIT"
    OPS = "OPS"
    SECURITY = "SECURITY"
    DEPLOY = "DEPLOY"


_LEVELS = frozenset(Level)
_KNOWN_TYPES = frozenset(EventType)


class OperationalEvent(msgspec.Struct, frozen=True):
    """What happened: `ts` in nanoseconds since 1970 (whole milliseconds), the rest as it was said.

    An instance read from the journal is trusted; `say` is the way to make a new one.
    """

    ts: int
    level: str
    type: str
    service: str
    message: str
    meta: dict[str, Any]

    @classmethod
    def say(
        cls,
        *,
        ts: int,
        level: str,
        type: str,
        message: str,
        service: str = DEFAULT_SERVICE,
        meta: dict[str, Any] | None = None,
        secret_keys: SecretKeys = USUAL,
    ) -> Self:
        """A new event that keeps every limit of the wire contract.

        `level` in any case; `ts` is cut to whole milliseconds, so that what is shown is what is
        kept. `type` is merged into `meta`, where one that the caller put there stays; what has the
        key of a secret there is masked.
        Raises `InvalidInput` that lists every rule broken.
        """
        meta = {} if meta is None else meta
        upper = _upper(level) if isinstance(level, str) else ""
        violations = [
            *_level_violations(upper),
            *_type_violations(type),
            *text_violations("/service", service, MAX_SERVICE_LENGTH),
            *text_violations("/message", message, MAX_MESSAGE_LENGTH),
            *_meta_violations(meta),
        ]
        if violations:
            raise InvalidInput(violations)
        return cls(
            ts=ts - ts % NS_PER_MS,
            level=upper,
            type=type,
            service=service,
            message=message,
            meta={"type": type, **secret_keys.masked(meta)},
        )

    def words(self) -> list[str]:
        """The words that full-text search finds it by: those of the message and of `meta`."""
        found = words(self.message)
        for text in texts(self.meta):
            found += words(text)
        return found


class RecordedEvent(msgspec.Struct, frozen=True):
    """An operational event with its place in the events stream, which is its `id`: 1, 2, 3 ..."""

    id: int
    event: OperationalEvent


class EventFilter(msgspec.Struct, frozen=True):
    """Which events: all that is given must hold; [since, until) in ns since 1970."""

    level: str | None = None
    type: str | None = None
    service: str | None = None
    since: int | None = None
    until: int | None = None
    query: TextQuery | None = None

    @classmethod
    def of(
        cls,
        *,
        level: str | None,
        type: str | None,
        service: str | None,
        since: int | None,
        until: int | None,
        query: TextQuery | None,
    ) -> Self:
        """A filter from what somebody typed; `level` in any case.

        Raises `InvalidInput` naming each parameter that no event could have.
        """
        upper = None if level is None else _upper(level)
        violations = [
            *([] if upper is None else _level_violations(upper, "level")),
            *([] if type is None else _type_violations(type, "type")),
            *([] if service is None else text_violations("service", service, MAX_SERVICE_LENGTH)),
        ]
        if violations:
            raise InvalidInput(violations)
        return cls(upper, type, service, since, until, query)

    def wants(self, event: OperationalEvent) -> bool:
        """Whether the event is one of them."""
        return (
            (self.level is None or event.level == self.level)
            and (self.type is None or event.type == self.type)
            and (self.service is None or event.service == self.service)
            and (self.since is None or event.ts >= self.since)
            and (self.until is None or event.ts < self.until)
            and (self.query is None or self.query.matches(event.words()))
        )


def _upper(level: str) -> str:
    """In upper case, where that is ASCII's: a dotless i is no way to write INFO."""
    return level.upper() if level.isascii() else level


def _level_violations(level: str, pointer: str = "/level") -> list[Violation]:
    if level in _LEVELS:
        return []
    return [Violation(pointer, f"must be one of {', '.join(Level)}, in any case")]


def _type_violations(value: object, pointer: str = "/type") -> list[Violation]:
    if isinstance(value, str) and (value in _KNOWN_TYPES or _TYPE.fullmatch(value)):
        return []
    detail = (
        f"must be one of {', '.join(EventType)}, or a name of your own of 1-32 characters: "
        "upper-case letters, digits and underscores, a letter first"
    )
    return [Violation(pointer, detail)]


def _meta_violations(meta: object) -> list[Violation]:
    if not isinstance(meta, dict):
        return [Violation("/meta", "must be an object")]
    if not meta:
        return []
    violation = None if _is_plain(meta) else _first_fault_within(meta)
    if violation is not None:
        return [violation]
    size = len(_encode(meta))
    if size > MAX_META_BYTES:
        return [Violation("/meta", f"must be at most {MAX_META_BYTES} bytes as JSON, not {size}")]
    return []


def _is_plain(meta: dict[Any, Any]) -> bool:
    """Whether nothing can be wrong within it: flat, of ASCII and whole numbers, as most are."""
    for key, value in meta.items():
        if type(key) is not str or not key.isascii() or "\0" in key:
            return False
        kind = type(value)
        if kind is str:
            if not value.isascii() or "\0" in value:
                return False
        elif kind is float:
            if not math.isfinite(value):
                return False
        elif kind is not int and kind is not bool and value is not None:
            return False
    return True


def _first_fault_within(meta: dict[Any, Any]) -> Violation | None:
    """Walk without recursion: the depth is the caller's, and may be hostile."""
    stack: list[tuple[_Place, Any, int]] = [(None, meta, 1)]
    while stack:
        place, value, depth = stack.pop()
        if depth > MAX_META_DEPTH:
            return Violation("/meta", f"must be nested at most {MAX_META_DEPTH} levels deep")
        if isinstance(value, dict):
            if fault := next(filter(None, map(_key_fault, value)), None):
                return Violation(_pointer(place), fault)
            stack.extend([((place, key), value[key], depth + 1) for key in value])
        elif isinstance(value, list):
            stack.extend([((place, i), member, depth + 1) for i, member in enumerate(value)])
        elif fault := _scalar_fault(value):
            return Violation(_pointer(place), fault)
    return None


def _pointer(place: _Place) -> str:
    """Made only where something is wrong: to make one for each value costs more than the rest."""
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(str(name))
    return pointer_to("meta", *reversed(names))


def _key_fault(key: object) -> str | None:
    if not isinstance(key, str):
        return "must have strings as its keys"
    faults = character_faults(key)
    return f"has a key that {faults[0]}" if faults else None


def _scalar_fault(value: object) -> str | None:
    if isinstance(value, str):
        return next(iter(character_faults(value)), None)
    if isinstance(value, float):
        return None if math.isfinite(value) else "must be a finite number"
    if value is None or isinstance(value, int):
        return None
    return f"must be a JSON value, not a {type(value).__name__}"
