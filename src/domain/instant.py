"""Moments and spans of time: integer nanoseconds inside, RFC 3339 and `15m` outside."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from .validation import InvalidInput

NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000
MAX_INSTANT = 2**63 - 1
"""The last nanosecond that 64 bits can count, in April 2262."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=8)
def _whole_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def format_instant(ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 in UTC, cut to ms: `2026-01-31T09:30:00.123Z`."""
    seconds, rest = divmod(ns, NS_PER_SECOND)
    return f"{_whole_second(seconds)}.{rest // NS_PER_MS:03d}Z"


def format_ms(ms: int) -> str:
    """Milliseconds since 1970 as `format_instant` writes them."""
    return format_instant(ms * NS_PER_MS)


def parse_instant(text: str, field: str) -> int:
    """An RFC 3339 date-time with an offset as nanoseconds since 1970.

    Raises `InvalidInput` naming `field` where the text is no such date-time, or lies before 1970 or
    after `MAX_INSTANT`.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidInput.of(field, "must be an RFC 3339 time such as 2026-01-31T09:30:00Z")
    fraction = match[1] or ""
    whole = text.replace(f".{fraction}", "", 1) if fraction else text
    try:
        seconds = _seconds(whole.upper().replace(" ", "T"))
    except (ValueError, OverflowError) as error:
        raise InvalidInput.of(field, f"is no moment of the calendar: {error}") from error
    ns = seconds * NS_PER_SECOND + int(fraction.ljust(9, "0") or 0)
    if ns < 0:
        raise InvalidInput.of(field, "must not lie before 1970-01-01T00:00:00Z")
    if ns > MAX_INSTANT:
        raise InvalidInput.of(field, "must not lie after 2262-04-11T23:47:16.854775807Z")
    return ns


def _seconds(whole: str) -> int:
    """Seconds since 1970 of a time without a fraction. Raises `ValueError`, `OverflowError`.

    A leap second, which is the last one of a day in UTC, counts as the second after it.
    """
    leaps = whole[17:19] == "60"
    moment = datetime.fromisoformat(f"{whole[:17]}59{whole[19:]}" if leaps else whole)
    seconds = (moment - _EPOCH) // timedelta(seconds=1) + leaps
    if leaps and seconds % 86_400:
        raise ValueError("only the last minute of a day in UTC has a second 60")
    return seconds


def parse_duration(text: str, field: str) -> int:
    """A span such as `15m`, `1h` or `7d` (units s, m, h, d, w) in nanoseconds.

    Raises `InvalidInput` naming `field` where the text is no such span, or is over ten years.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidInput.of(field, "must be a whole number and a unit, such as 15m, 1h or 7d")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > 3660 * 86_400:
        raise InvalidInput.of(field, "must be at most 3660d")
    return seconds * NS_PER_SECOND


def window(*, since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """[since, until) in ns from RFC 3339 times. Raises `InvalidInput` naming the parameter."""
    start = None if since is None else parse_instant(since, "since")
    end = None if until is None else parse_instant(until, "until")
    if start is not None and end is not None and end <= start:
        raise InvalidInput.of("until", f"must lie after since, {format_instant(start)}")
    return start, end
