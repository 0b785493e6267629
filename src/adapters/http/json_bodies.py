"""JSON bodies into typed values: what is wrong is told by field, whatever the bytes are."""

import json
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from ...domain.validation import InvalidInput, pointer_to

_UNKNOWN_OR_MISSING = re.compile(r"(unknown|required) field `(.*)`", re.DOTALL)
_PATH = re.compile(r" - at `\$(?:\.(\w+))?.*`$", re.DOTALL)

T = TypeVar("T")


def decoded(decode: Callable[[bytes], T], body: bytes, noun: str) -> T:
    """What `decode`, a msgspec decoder's, makes of the body, which is `noun` ("an event").

    Raises `InvalidInput` naming the field, or `` for the whole body.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise _named(str(error), noun) from error
    except RecursionError as error:
        raise InvalidInput.of("", "is nested too deep") from error
    except (msgspec.DecodeError, ValueError) as error:
        reason = "it holds a lone surrogate" if _holds_lone_surrogate(body) else error
        raise InvalidInput.of("", f"is no JSON in UTF-8: {reason}") from error


def _holds_lone_surrogate(body: bytes) -> bool:
    """Whether half a character is all that is wrong: the decoder calls such a body truncated."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _named(message: str, noun: str) -> InvalidInput:
    if field := _UNKNOWN_OR_MISSING.search(message):
        detail = f"is not a field of {noun}" if field[1] == "unknown" else "is required"
        return InvalidInput.of(pointer_to(field[2]), detail)
    path = _PATH.search(message)
    detail = message[: path.start()] if path else message
    pointer = f"/{path[1]}" if path and path[1] else ""
    return InvalidInput.of(pointer, detail[:1].lower() + detail[1:])
