"""What a client wants to read, as its `Accept` says (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_KNOWN_VERSIONS = frozenset({"", "0.0.1", "0.0.4", "1.0.0"})


class _Range(NamedTuple):
    """One media range: its type, its parameters but for q, and how much it is liked (0 to 1)."""

    media_type: str
    parameters: tuple[str, ...]
    quality: float

    @classmethod
    def parse(cls, text: str) -> "_Range":
        media_type, *parameters = (part.strip() for part in text.split(";"))
        quality = 1.0
        others = []
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() != "q":
                others.append(parameter)
            elif _QUALITY.fullmatch(value.strip()):
                quality = float(value)
        return cls(media_type.lower(), tuple(others), quality)

    @property
    def version(self) -> str:
        """The version of the format that is asked for, or nothing."""
        values = (parameter.partition("=") for parameter in self.parameters)
        return next((value for name, _, value in values if name.strip() == "version"), "")


def _ranges(accept: str) -> list[_Range]:
    return [_Range.parse(part) for part in accept.split(",") if part.strip()]


def preferred(accept: str, offered: Sequence[str]) -> str:
    """The offered media type that the client likes best; of equals one that it names, or the first.

    The first too where it takes none of them: an answer in another form is better than none.
    """
    ranges = _ranges(accept)
    liked = {media_type: _liking(media_type, ranges) for media_type in offered}
    best = max(offered, key=lambda media_type: liked[media_type])
    return best if liked[best][0] > 0 else offered[0]


def _liking(media_type: str, ranges: Iterable[_Range]) -> tuple[float, int]:
    """How much the most specific range that holds the type likes it, and how specific that is."""
    holders = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    held = [(holders.index(r.media_type), r.quality) for r in ranges if r.media_type in holders]
    specificity, quality = max(held, default=(0, 0.0))
    return quality, specificity


def narrowed(accept: str, offered: Sequence[str]) -> str:
    """`accept`, narrowed to the offered media type that it prefers, best first, without any q.

    For a library that takes the first type that it knows, whatever its q, and fails over versions.
    """
    media_type = preferred(accept, offered)
    wanted = [
        each
        for each in _ranges(accept)
        if each.media_type == media_type and each.quality > 0 and each.version in _KNOWN_VERSIONS
    ]
    wanted.sort(key=lambda each: -each.quality)
    return ",".join(";".join((media_type, *each.parameters)) for each in wanted) or media_type
