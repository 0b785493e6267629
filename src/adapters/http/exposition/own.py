"""What opsboard exposes of itself."""

from collections.abc import Mapping, Sequence

from ....application.ports import StoreVitals
from ....application.vitals import Vitals
from .family import Family, Histograms, Kind, Labels, Values

COMMIT_BOUNDS_SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
)  # fmt: skip

_COMMITS = Family(
    "opsboard_store_commit_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of the store's commits, from their start until they are durable.",
    "seconds",
)


def own_families(vitals: Vitals, version: str) -> Sequence[Histograms | Values]:
    """Every family but that of the requests; nothing in them moves while nothing happens."""
    return [
        _gauge("build_info", "Which opsboard this is.", {(("version", version),): 1}),
        _gauge(
            "start_time_seconds",
            "When the server started, in seconds since 1970.",
            {(): vitals.started_at / 1e9},
            "seconds",
        ),
        *_taken_in(vitals),
        *_refused(vitals),
        *_read_models(vitals),
        *_store(vitals.store),
    ]


def _taken_in(vitals: Vitals) -> Sequence[Values]:
    return [
        _counter(
            "events",
            "Operational events since the start, whichever process recorded them.",
            _by_two(("level", "type"), vitals.events),
        ),
        _counter(
            "otlp_items",
            "What came over OpenTelemetry's protocol since the start, by what became of it.",
            _by_two(("signal", "outcome"), vitals.received),
        ),
        _counter(
            "samples_dropped",
            "Request samples that could not be kept since the start.",
            {(): vitals.samples_dropped},
        ),
        _gauge(
            "samples_waiting",
            "Request samples that are not in the journal yet.",
            {(): vitals.samples_waiting},
        ),
    ]


def _refused(vitals: Vitals) -> Sequence[Values]:
    return [
        _counter(
            "series_refused",
            "Series that were counted as the route (other) since the start, over the limit.",
            _by("service_name", vitals.series_refused),
        ),
        _counter(
            "requests_refused",
            "Requests refused since the start, for want of room or before a route saw them.",
            _by("http_response_status_code", vitals.requests_refused),
        ),
        _counter(
            "tokens_refused",
            "Wrong tokens since the start, and (limited) those too frequent to be looked at.",
            _by("reason", vitals.tokens_refused),
        ),
    ]


def _read_models(vitals: Vitals) -> Sequence[Values]:
    return [
        _gauge(
            "projection_lag_entries",
            "Entries of the journal that a read model does not hold yet.",
            _by("projection", vitals.lags),
            "entries",
        ),
        _counter(
            "entries_unreadable",
            "Damaged entries that a read model had to leave out since the start.",
            _by("projection", vitals.unreadable),
        ),
    ]


def _store(store: StoreVitals) -> Sequence[Histograms | Values]:
    return [
        Histograms(_COMMITS, COMMIT_BOUNDS_SECONDS, store.commits),
        _gauge("store_size_bytes", "What the store takes.", {(): store.size_bytes}, "bytes"),
        _gauge(
            "store_writes_waiting",
            "Writes that wait for a commit.",
            {(): store.writes_waiting},
        ),
    ]


def _by(label: str, counts: Mapping[str, int]) -> Mapping[Labels, float]:
    return {((label, name),): count for name, count in sorted(counts.items())}


def _by_two(
    labels: tuple[str, str], counts: Mapping[tuple[str, str], int]
) -> Mapping[Labels, float]:
    return {
        tuple(sorted(zip(labels, names, strict=True))): count
        for names, count in sorted(counts.items())
    }


def _gauge(name: str, help_: str, values: Mapping[Labels, float], unit: str = "") -> Values:
    return Values(Family(f"opsboard_{name}", Kind.GAUGE, help_, unit), list(values.items()))


def _counter(name: str, help_: str, values: Mapping[Labels, float]) -> Values:
    return Values(Family(f"opsboard_{name}", Kind.COUNTER, help_), list(values.items()))
