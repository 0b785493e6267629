"""How a value says what is wrong with it."""

import re
from collections.abc import Iterable

import msgspec

_SURROGATE = re.compile("[\ud800-\udfff]")


class Violation(msgspec.Struct, frozen=True):
    """One thing wrong with one field.

    `pointer` is an RFC 6901 JSON pointer (`/meta/user`, or `` for the whole) for a body, and a
    parameter's name for a query; `detail` says which limit was crossed.
    """

    pointer: str
    detail: str


def pointer_to(*names: str) -> str:
    """The JSON pointer to what lies below these names, each escaped as RFC 6901 has it."""
    return "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names)


class InvalidInput(ValueError):
    """A value breaks its rules; every rule broken is listed in `violations`."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Keep the violations, of which there is at least one."""
        self.violations = tuple(violations)
        said = [f"{v.pointer or 'the body'} {v.detail}" for v in self.violations]
        super().__init__("; ".join(said))

    @classmethod
    def of(cls, pointer: str, detail: str) -> "InvalidInput":
        """One violation."""
        return cls((Violation(pointer, detail),))


def text_violations(pointer: str, value: object, limit: int) -> list[Violation]:
    """What is wrong with a text that has to have 1 to `limit` characters."""
    if not isinstance(value, str):
        return [Violation(pointer, "must be a string")]
    if not 1 <= len(value) <= limit:
        return [Violation(pointer, f"must be 1-{limit} characters, not {len(value)}")]
    faults = character_faults(value)
    return [Violation(pointer, fault) for fault in faults] if faults else []


def character_faults(value: str) -> list[str]:
    """What is wrong with the characters of a text, which every store has to be able to keep."""
    if "\0" in value:
        return ["must not hold the character U+0000"]
    if not value.isascii() and _SURROGATE.search(value):
        return ["must not hold a lone surrogate"]
    return []
