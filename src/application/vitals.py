"""How opsboard itself is: what waits, what was lost, and how far behind its read models are."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from .cardinality import SeriesLimit
from .count_events import EventCounts
from .intake import Intake
from .ports import Clock, Store, StoreVitals
from .project_errors import ErrorProjection
from .project_events import EventProjection
from .project_samples import SampleProjection
from .record import SampleRecorder


class Vitals(msgspec.Struct, frozen=True):
    """Counts are since the start, at `started_at` (ns since 1970).

    `events` is by level and type, `received` by what came over OpenTelemetry's protocol and what
    became of it, `series_refused` by service, `requests_refused` by status code,
    `tokens_refused` by whether they were looked at (`wrong`, `limited`),
    `lags` and `unreadable` by projection.
    """

    started_at: int
    events: Mapping[tuple[str, str], int]
    received: Mapping[tuple[str, str], int]
    samples_dropped: int
    samples_waiting: int
    series_refused: Mapping[str, int]
    requests_refused: Mapping[str, int]
    tokens_refused: Mapping[str, int]
    lags: Mapping[str, int]
    unreadable: Mapping[str, int]
    store: StoreVitals


class VitalsQueries:
    """Asks the parts of a board how they are."""

    def __init__(
        self,
        store: Store,
        *,
        projections: Mapping[str, SampleProjection | EventProjection | ErrorProjection],
        samples: SampleRecorder,
        series_limit: SeriesLimit,
        events: EventCounts,
        intake: Intake,
        clock: Clock,
    ) -> None:
        """The start is now, by `clock`."""
        self._store = store
        self._projections = projections
        self._samples = samples
        self._series_limit = series_limit
        self._events = events
        self._intake = intake
        self._started_at = clock.now()
        self.requests_refused: Counter[str] = Counter()
        """By status code: what was refused for want of room, or before a route saw it."""
        self.tokens_refused: Counter[str] = Counter()
        """By reason: tokens that were wrong, and those that came too often to be looked at."""

    async def now(self) -> Vitals:
        """How everything is now. Raises `StoreUnavailable`."""
        await self._events.catch_up()
        return Vitals(
            started_at=self._started_at,
            events=dict(self._events.counts),
            received=dict(self._intake.counts),
            samples_dropped=self._samples.dropped,
            samples_waiting=self._samples.unwritten,
            series_refused=dict(self._series_limit.refused),
            requests_refused=dict(self.requests_refused),
            tokens_refused=dict(self.tokens_refused),
            lags={name: await each.lag() for name, each in self._projections.items()},
            unreadable={name: each.unreadable for name, each in self._projections.items()},
            store=await self._store.vitals(),
        )
