"""What full-text search means here: one definition, whichever store answers."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from .validation import InvalidInput

MAX_QUERY_LENGTH = 200

_WORD = re.compile(r"[^\W_]+")
_OPERATORS = frozenset({"AND", "OR", "NOT", "NEAR"})
_OPERATOR_CHARACTERS = re.compile(r'["^(){}]|\*(?=\S)|(?<![^\W_])\*')
_COLUMN_FILTER = re.compile(r"\b(message|meta)\s*:", re.IGNORECASE)


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, lower case, without diacritics."""
    if text.isascii():
        return _WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    return _WORD.findall("".join(c for c in decomposed if not unicodedata.combining(c)))


def texts(value: Any) -> Iterator[str]:
    """Every key and every scalar of a JSON value, as text, in document order."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(part for pair in reversed(item.items()) for part in reversed(pair))
        elif isinstance(item, list):
            stack.extend(reversed(item))
        else:
            yield msgspec.json.encode(item).decode()


class TextQuery(msgspec.Struct, frozen=True):
    """Words that must all occur, in any order; `prefixes` are those written `like*`."""

    wanted: tuple[str, ...]
    prefixes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, q: str, field: str = "q") -> "TextQuery":
        """Read what a person typed: words to find, `word*` for those that start so.

        The operators of search engines are refused rather than taken for words: a query that
        means something else than its writer thought gives a wrong answer without a sign.
        Raises `InvalidInput` naming `field`.
        """
        if len(q) > MAX_QUERY_LENGTH:
            raise InvalidInput.of(field, f"must be at most {MAX_QUERY_LENGTH} characters")
        if (
            "\0" in q
            or _OPERATOR_CHARACTERS.search(q)
            or _COLUMN_FILTER.search(q)
            or not _OPERATORS.isdisjoint(q.split())
        ):
            raise InvalidInput.of(
                field,
                "takes plain words, all of which must occur, and word* for a beginning; "
                'it has no operators (AND OR NOT NEAR, " ^ ( ) { }, message: meta:)',
            )
        wanted: list[str] = []
        prefixes: list[str] = []
        for part in q.split():
            found = words(part)
            if part.endswith("*"):
                prefixes.extend(found[-1:])
                found = found[:-1]
            wanted.extend(found)
        if not wanted and not prefixes:
            raise InvalidInput.of(field, "must hold at least one letter or digit")
        return cls(tuple(wanted), tuple(prefixes))

    def matches(self, found: Iterable[str]) -> bool:
        """Whether these words hold all that the query wants."""
        have = frozenset(found)
        return have.issuperset(self.wanted) and all(
            any(word.startswith(prefix) for word in have) for prefix in self.prefixes
        )

    def may_match(self, document: bytes) -> bool:
        """Whether the texts of a JSON document could match; costs a tenth of reading them.

        A word is never escaped in JSON; one that is not ASCII has spellings, so it is not judged.
        """
        if not document.isascii():
            return True
        lower = document.lower()
        return all(word.encode() in lower for word in (*self.wanted, *self.prefixes))
