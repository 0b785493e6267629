"""What tells one series from another, apart from the batches: for those that only send."""

from typing import NamedTuple

MAX_LATENCY_NS = 86_400_000_000_000
UNMATCHED_ROUTE = "(unmatched)"
OTHER_ROUTE = "(other)"
OTHER_METHOD = "_OTHER"
KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)


class SeriesKey(NamedTuple):
    """What tells one series from another; sorts as `GET /metrics` does."""

    service: str
    route: str
    method: str
    status_code: int

    def in_unicode(self) -> "SeriesKey":
        r"""The key with every lone surrogate, which nothing can store, written as `\udcff`."""
        service, route, method = (
            text.encode(errors="backslashreplace").decode() for text in self[:3]
        )
        return SeriesKey(service, route, method, self.status_code)


class Endpoint(NamedTuple):
    """A service's route: what most of a series' name is."""

    service: str
    route: str
