"""What makes two exceptions the same error: the place in the code that they come from."""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from .stack_frame import Frame
from .stack_trace import Raised, parse_trace

INNERMOST = 3
"""So many frames of a trace's own code count."""
LENGTH = 16
MAX_MASKED_LENGTH = 1_000

_encode = msgspec.json.Encoder().encode

_MASKS = (
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "#"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "#"),
    (re.compile(r"(?<!\w)'[^'\n]*'(?!\w)"), "''"),
    (re.compile(r"(?<!\w)\"[^\"\n]*\"(?!\w)"), '""'),
    (re.compile(r"(?<!\w)`[^`\n]*`(?!\w)"), "``"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+"), "#"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "#"),
    (re.compile(r"\d[\d.,:_]*"), "#"),
)
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]+|(?<=@)[0-9a-f]{5,}")


def fingerprint(type: str, message: str, stacktrace: str, service: str) -> str:
    """16 hexadecimal digits that are the same for the same error, whatever happens around it.

    They stand for the exception's type and the innermost frames of the application's own code,
    without line numbers, and for the same of the first of its causes. Where no frame is the
    application's own, the innermost frames count; where there is none at all, the service and the
    message do, without numbers, addresses and what is in quotes. Takes any text.
    """
    chain = parse_trace(stacktrace)
    chain[0].type = type
    parts = _places(chain) or [[service, _kind(type), masked(message)]]
    return hashlib.sha256(_encode(parts)).hexdigest()[:LENGTH]


def masked(text: str) -> str:
    """The text without what differs from one occurrence to the next."""
    text = text[:MAX_MASKED_LENGTH]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return " ".join(text.split())


def _places(chain: Sequence[Raised]) -> list[list[str]]:
    """Type and places of the exception and of its root cause; none where there are no frames."""
    ends = [chain[0], chain[-1]] if len(chain) > 1 else [chain[0]]
    only_own = any(frame.own for raised in ends for frame in raised.frames)
    found = [
        [_kind(raised.type), *_innermost([f for f in raised.frames if f.own or not only_own])]
        for raised in ends
    ]
    return found if any(len(places) > 1 for places in found) else []


def _innermost(frames: Sequence[Frame]) -> list[str]:
    """The innermost places, each once, in an order that the depth of a recursion leaves alone."""
    found: set[str] = set()
    for frame in frames:
        if len(found) == INNERMOST:
            break
        found.add(f"{frame.place} {frame.function}")
    return sorted(found)


def _kind(type: str) -> str:
    return _ADDRESS.sub("#", type.removeprefix("builtins."))
