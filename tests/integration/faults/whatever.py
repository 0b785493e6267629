"""What a day, or a bad year, may bring to a store: strategies for the state machine."""

from typing import Any, NamedTuple

from hypothesis import strategies as st
from opsboard.domain.sample import SeriesKey

from ...fakes import SECOND_NS, ManualClock
from ..contracts.naive import instant

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
YEAR_NS = 365 * DAY_NS

SERVICES = ["shop", "api", "pay"]
ROUTES = ["/", "/cart/{id}", "/pay", "(unmatched)"]
WORDS = ["deploy", "of", "Größe", "cart", "42", "a_b", "late"]

keys = st.none() | st.sampled_from(["one", "two", "three"])
services = st.sampled_from(SERVICES)
levels = st.sampled_from(["debug", "INFO", "Warn", "ERROR", "FATAL", "LOUD"])
types = st.sampled_from(["OPS", "DEPLOY", "AUDIT", "OWN_1", "lower"])
messages = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
metas = st.none() | st.dictionaries(
    st.sampled_from(["a", "type", "größe"]), st.sampled_from([None, 1, 2.5, "Wort", ["x", {}]])
)
exceptions = st.fixed_dictionaries(
    {
        "exception.type": st.sampled_from(["KeyError", "ValueError"]),
        "exception.message": st.sampled_from(["'a'", "no 17", "no 18", "gone"]),
        "http.route": st.sampled_from(ROUTES),
    }
)

series = st.builds(
    SeriesKey,
    services,
    st.sampled_from(ROUTES),
    st.sampled_from(["GET", "POST", "get", "BREW"]),
    st.sampled_from([200, 200, 404, 503, 999]),
)
latencies = st.sampled_from([0, 1, 999, 1_000_000, 20_000_000, 21_000_000, 5 * SECOND_NS, DAY_NS])
offsets = st.sampled_from(
    [
        *(0, 0, 0, 1, 1_000_000, 30 * SECOND_NS, MINUTE_NS, 7 * MINUTE_NS, HOUR_NS, 23 * HOUR_NS),
        *(47 * HOUR_NS, -1, -MINUTE_NS, -HOUR_NS, -23 * HOUR_NS),
    ]
)
"""How long ago it ended; what is negative ends in the future."""
requests = st.tuples(series, latencies, offsets)
batches = st.lists(requests, min_size=1, max_size=8)
impossible = st.tuples(
    series.map(lambda key: key._replace(status_code=99)) | series,
    latencies,
    st.sampled_from([50 * HOUR_NS, 9 * DAY_NS, -25 * HOUR_NS]),
)
refused_batches = st.tuples(batches, impossible).map(lambda parts: [*parts[0], parts[1]])

steps = st.sampled_from(
    [
        *(1, 1_000_000, SECOND_NS, 45 * SECOND_NS, MINUTE_NS, 7 * MINUTE_NS, HOUR_NS, 7 * HOUR_NS),
        *(DAY_NS, 3 * DAY_NS, 10 * DAY_NS),
    ]
)
jumps = st.sampled_from([-HOUR_NS, HOUR_NS, -YEAR_NS, YEAR_NS, -SECOND_NS, 3 * DAY_NS])


class Moments(NamedTuple):
    """A window, and the moment at which it is looked at, each as an age in ns or None."""

    last: int | None
    since: int | None
    until: int | None
    as_of: int | None

    def words(self, clock: ManualClock) -> dict[str, str | None]:
        """As a caller puts it now."""
        ages = {"since": self.since, "until": self.until, "as_of": self.as_of}
        words = {name: _moment(age, clock) for name, age in ages.items()}
        return words | {"last": None if self.last is None else f"{self.last // SECOND_NS}s"}


def _moment(age: int | None, clock: ManualClock) -> str | None:
    return None if age is None else instant(max(0, clock.now() - age))


ages = st.none() | st.sampled_from(
    [
        *(0, 1, SECOND_NS, MINUTE_NS, 61 * SECOND_NS, HOUR_NS, 2 * HOUR_NS, 25 * HOUR_NS),
        *(49 * HOUR_NS, 5 * DAY_NS, 12 * DAY_NS, 400 * DAY_NS, -HOUR_NS, -DAY_NS),
    ]
)
spans = st.none() | st.sampled_from([SECOND_NS, MINUTE_NS, HOUR_NS, DAY_NS, 30 * DAY_NS])
as_ofs = st.none() | ages
moments = st.builds(Moments, st.none(), ages, ages, as_ofs) | st.builds(
    Moments, spans, st.none(), st.none(), as_ofs
)
selections = st.fixed_dictionaries(
    {},
    optional={
        "service": services,
        "route": st.sampled_from([*ROUTES, "(other)"]),
        "method": st.sampled_from(["GET", "POST", "_OTHER"]),
    },
)
event_filters: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "level": st.sampled_from(["info", "ERROR"]),
        "type": st.sampled_from(["OPS", "DEPLOY", "EXCEPTION", "ERROR_RESOLVED"]),
        "service": services,
        "q": st.sampled_from(["cart", "grosse", "gr*", "deploy of", "42", "no 17", "AND"]),
    },
)
error_filters: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "service": services,
        "route": st.sampled_from(ROUTES),
        "state": st.sampled_from(["open", "resolved,reopened"]),
        "q": st.sampled_from(["keyerror", "no"]),
        "last": st.sampled_from(["1h", "30d"]),
    },
)
