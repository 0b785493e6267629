"""What others say in their own way, made to fit the limits of an operational event."""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from .event import MAX_META_BYTES, MAX_META_DEPTH
from .secret_keys import MASK, USUAL, SecretKeys

LEFT_OUT_KEY = "left_out"
"""Where `meta` says how many members did not fit at all."""

_UNFIT = re.compile("[\0\ud800-\udfff]")
_LONG_LINE = 200
_INT64 = range(-(2**63), 2**63)
_MIN_VALUE_BYTES = 32
_MAX_KEY_LENGTH = 256
_encode = msgspec.json.Encoder().encode


def fit_text(text: str, limit: int) -> str:
    """The text in at most `limit` characters, without those that no event may hold."""
    if len(text) > limit:
        text = f"{text[: limit - 1]}…"
    return _UNFIT.sub("\ufffd", text)


def fit_middle(text: str, size: int) -> str:
    """The text in at most `size` bytes as JSON: what is too much goes from its middle.

    Of a stack trace both ends stay, since languages differ in where the innermost frame stands.
    """
    if len(text) <= size and len(_encode(text)) <= size:
        return text
    fits, too_long = 0, min(len(text), size)
    while fits + 1 < too_long:
        kept = (fits + too_long) // 2
        if len(_encode(_without_middle(text, kept))) <= size:
            fits = kept
        else:
            too_long = kept
    return _without_middle(text, fits)


def _without_middle(text: str, kept: int) -> str:
    """The first and the last of a text, `kept` characters in all, whole lines where it has some."""
    head, tail = text[: kept - kept // 2], text[len(text) - kept // 2 :]
    end, start = head.rfind("\n"), tail.find("\n")
    if end >= max(0, len(head) - _LONG_LINE) and 0 <= start <= _LONG_LINE:
        return f"{head[: end + 1]}…{tail[start:]}"
    return f"{head} … {tail}"


def fit_meta(meta: Mapping[str, Any], secret_keys: SecretKeys = USUAL) -> dict[str, Any]:
    """The members of `meta` as they may stand in an event.

    What has the key of a secret is masked, before anything is cut to text. Characters and numbers
    that no event may hold are written in another way. Where all is too
    large, the longest values are cut to one length, as text; members that do not fit even then,
    the last ones, are left out and counted under `left_out`.
    """
    fitted = _fit_object(meta, secret_keys, 1)
    if len(_encode(fitted)) <= MAX_META_BYTES:
        return fitted
    sizes = {name: len(_encode(value)) for name, value in fitted.items()}
    fitted, left_out = _most_that_fit(fitted, sizes)
    cap = _cap([sizes[name] for name in fitted], MAX_META_BYTES - _overhead(fitted))
    cut = {
        name: value if sizes[name] <= cap else fit_middle(_as_text(value), cap)
        for name, value in fitted.items()
    }
    return {**cut, LEFT_OUT_KEY: left_out} if left_out else cut


def _most_that_fit(members: dict[str, Any], sizes: Mapping[str, int]) -> tuple[dict[str, Any], int]:
    """The first members for which there is room when each is cut, and how many are left."""
    room = MAX_META_BYTES - _overhead({})
    kept: dict[str, Any] = {}
    for name, value in members.items():
        room -= len(_encode(name)) + 2 + min(sizes[name], _MIN_VALUE_BYTES)
        if room < 0:
            break
        kept[name] = value
    return kept, len(members) - len(kept)


def _overhead(members: Mapping[str, Any]) -> int:
    """The bytes of an object with these keys, without their values; with a count of what is not."""
    return len('{"":12345678}') + len(LEFT_OUT_KEY) + sum(len(_encode(n)) + 2 for n in members)


def _cap(sizes: list[int], room: int) -> int:
    """The largest length to which values may be cut so that all take at most `room`."""
    sizes = sorted(sizes)
    for place, size in enumerate(sizes):
        share = room // (len(sizes) - place)
        if size > share:
            return share
        room -= size
    return sizes[-1] if sizes else 0


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _fit_object(value: Mapping[Any, Any], secret_keys: SecretKeys, depth: int) -> dict[str, Any]:
    return {
        fit_text(name, _MAX_KEY_LENGTH): MASK
        if secret_keys.hides(name, member)
        else _fit_value(member, secret_keys, depth + 1)
        for name, member in ((str(key), member) for key, member in value.items())
    }


def _fit_value(value: Any, secret_keys: SecretKeys, depth: int) -> Any:
    """The value as JSON has it; what lies too deep becomes `…`."""
    if isinstance(value, str):
        return _UNFIT.sub("\ufffd", value)
    if isinstance(value, dict | list | tuple):
        return _fit_members(value, secret_keys, depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _UNFIT.sub("\ufffd", str(value))


def _fit_members(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], secret_keys: SecretKeys, depth: int
) -> Any:
    if depth >= MAX_META_DEPTH:
        return "…"
    if isinstance(value, dict):
        return _fit_object(value, secret_keys, depth)
    return [_fit_value(member, secret_keys, depth + 1) for member in value]
