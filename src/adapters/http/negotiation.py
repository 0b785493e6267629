"""What a client wants to read, as its `Accept` says (RFC 9110, section 12.5)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_NOTHING: Mapping[str, Mapping[str, str]] = {}


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

    def gives_but(self, required: Mapping[str, str]) -> bool:
        """Whether it gives one of these parameters with another value."""
        given = (parameter.partition("=") for parameter in self.parameters)
        return any(
            value.strip().strip('"') != required.get(name.strip().lower(), value.strip().strip('"'))
            for name, _, value in given
        )


def _ranges(accept: str) -> list[_Range]:
    return [_Range.parse(part) for part in accept.split(",") if part.strip()]


def preferred(
    accept: str, offered: Sequence[str], required: Mapping[str, Mapping[str, str]] = _NOTHING
) -> str:
    """The offered media type that the client likes best; of equals one that it names, or the first.

    The first too where it takes none of them: an answer in another form is better than none. A
    range that names a type with other parameters than those which it requires does not count.
    """
    ranges = [
        each for each in _ranges(accept) if not each.gives_but(required.get(each.media_type, {}))
    ]
    liked = {media_type: _liking(media_type, ranges) for media_type in offered}
    best = max(offered, key=lambda media_type: liked[media_type])
    return best if liked[best][0] > 0 else offered[0]


def _liking(media_type: str, ranges: Iterable[_Range]) -> tuple[float, int]:
    """How much the most specific range that holds the type likes it, and how specific that is."""
    holders = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    held = [(holders.index(r.media_type), r.quality) for r in ranges if r.media_type in holders]
    specificity, quality = max(held, default=(0, 0.0))
    return quality, specificity


def takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is taken, and not liked less than nothing at all (RFC 9110, section 12.5.3)."""
    liked = {each.media_type: each.quality for each in _ranges(accept_encoding)}
    others = liked.get("*", 0.0)
    gzip = liked.get("gzip", liked.get("x-gzip", others))
    return gzip > 0 and gzip >= liked.get("identity", 0.0)
