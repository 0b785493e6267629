"""Spans of HTTP servers, as OpenTelemetry has them: each is a request sample."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .event import MAX_SERVICE_LENGTH
from .instant import NS_PER_MS, format_ms
from .keyed_samples import MAX_ROUTE_LENGTH, MAX_STATUS_CODE, MIN_STATUS_CODE
from .recent_ids import Mask
from .sample import (
    KNOWN_METHODS,
    MAX_AHEAD_MS,
    MAX_LATENCY_NS,
    OTHER_METHOD,
    UNMATCHED_ROUTE,
    Ints,
    SeriesKey,
)
from .validation import InvalidInput, text_violations

UNKNOWN_SERVICE = "unknown_service"
SERVER_ERROR = 500
CLIENT_CLOSED_REQUEST = 499
TRACE_ID_LENGTH = 16
SPAN_ID_LENGTH = 8

METHOD, ROUTE, STATUS = "http.request.method", "http.route", "http.response.status_code"
ROLES: Mapping[str, str] = {
    METHOD: METHOD,
    ROUTE: ROUTE,
    STATUS: STATUS,
    "http.method": METHOD,
    "http.status_code": STATUS,
}
"""The attributes that name a series: the stable ones, then what they were called before 2023."""
STABLE = frozenset({METHOD, ROUTE, STATUS})

_DIGITS = 3


Words: TypeAlias = npt.NDArray[np.uint64]


class SpanColumns(NamedTuple):
    """Server spans: the number of each one's series, its ids, and times in ns.

    The ids are a row of three words: the trace id in two, and the span id. They are all 0 where
    one of them is too long or too short.
    """

    numbers: Ints
    ids: Words
    starts: Words
    ends: Words

    @classmethod
    def none(cls) -> "SpanColumns":
        """No spans."""
        nothing = np.zeros(0, np.uint64)
        return cls(np.zeros(0, np.int64), nothing.reshape(0, 3), nothing, nothing)

    def chosen(self, places: Ints) -> "SpanColumns":
        """The spans in these places, in the order of these."""
        return SpanColumns(
            self.numbers[places], self.ids[places], self.starts[places], self.ends[places]
        )


class SpanSamples(NamedTuple):
    """Spans as samples: which may be kept, their latency and end, and why others may not."""

    good: Mask
    latency_ns: Ints
    ended_at_ms: Ints
    faults: Counter[str]


def samples_of(spans: SpanColumns, now_ms: int, oldest_ms: int) -> SpanSamples:
    """The samples that spans are. A span has ids, and it ends after it starts, within a day.

    None may have ended before `oldest_ms`, or more than a day after `now_ms`.
    """
    ended_at_ms = (spans.ends // NS_PER_MS).astype(np.int64)
    backwards = spans.ends < spans.starts
    longest = np.uint64(MAX_LATENCY_NS + 1)
    latency_ns = np.minimum(spans.ends - spans.starts, longest).astype(np.int64)
    latency_ns[backwards] = 0
    checks = (
        ("a span must have a trace id of 16 bytes and a span id of 8, not all 0", _no_ids(spans)),
        ("a span must have an end", spans.ends == 0),
        ("a span must not end before it starts", backwards),
        ("a span must last at most a day", latency_ns > MAX_LATENCY_NS),
        (f"a span must not end before {format_ms(oldest_ms)}", ended_at_ms < oldest_ms),
        (
            "a span must end at most a day ahead of the server's clock",
            ended_at_ms > now_ms + MAX_AHEAD_MS,
        ),
    )
    good = np.ones(len(latency_ns), np.bool_)
    faults: Counter[str] = Counter()
    for rule, bad in checks:
        if bad.any():
            faults[rule] += int(np.count_nonzero(bad & good))
            good &= ~bad
    return SpanSamples(good, latency_ns, ended_at_ms, +faults)


def _no_ids(spans: SpanColumns) -> Mask:
    """Which have no ids: a sender that leaves them at 0 would have all but one span passed over."""
    first, second, span_id = spans.ids.T
    bad: Mask = ((first | second) == 0) | (span_id == 0)
    return bad


def series_of(service: str, attributes: Mapping[str, Any], *, failed: bool) -> SeriesKey | None:
    """The series of a server span with these attributes; None where it served no HTTP request.

    A span without a route matched none; its path is never taken for one. A span without a status
    code answered nothing: that is a 500 where it `failed`, and a client that went away otherwise.
    Raises `InvalidInput` naming the attribute.
    """
    named = {role: attributes[name] for name, role in ROLES.items() if name in attributes}
    named |= {name: attributes[name] for name in STABLE if name in attributes}
    method = named.get(METHOD)
    if method is None:
        return None
    status = named.get(STATUS, SERVER_ERROR if failed else CLIENT_CLOSED_REQUEST)
    return SeriesKey(
        service,
        _route(named.get(ROUTE)),
        method if isinstance(method, str) and method in KNOWN_METHODS else OTHER_METHOD,
        _status_code(status),
    )


def _route(value: object) -> str:
    if value is None or value == "":
        return UNMATCHED_ROUTE
    if not isinstance(value, str) or text_violations(ROUTE, value, MAX_ROUTE_LENGTH):
        detail = f"must be text of at most {MAX_ROUTE_LENGTH} characters, without U+0000"
        raise InvalidInput.of(ROUTE, detail)
    return value


def _status_code(value: object) -> int:
    """Some senders write it as text."""
    text = str(value) if isinstance(value, int | str) else ""
    code = int(text) if text.isascii() and text.isdigit() and len(text) == _DIGITS else 0
    if not MIN_STATUS_CODE <= code <= MAX_STATUS_CODE:
        raise InvalidInput.of(STATUS, f"must be {MIN_STATUS_CODE}-{MAX_STATUS_CODE}")
    return code


def service_of(attributes: Mapping[str, Any]) -> str:
    """The service that a resource names. Raises `InvalidInput` where that can be none."""
    name = attributes.get("service.name") or UNKNOWN_SERVICE
    if not isinstance(name, str) or text_violations("service.name", name, MAX_SERVICE_LENGTH):
        detail = f"must be text of at most {MAX_SERVICE_LENGTH} characters, without U+0000"
        raise InvalidInput.of("service.name", detail)
    return name
