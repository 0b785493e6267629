"""The use cases of one store, running: what the routes, the shell and in-process callers share."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from ..domain.entry import IdempotencyKey
from ..domain.event import DEFAULT_SERVICE, RecordedEvent
from ..domain.keyed_samples import KeyedSamples
from ..domain.metrics import MetricsSnapshot
from ..domain.retention import Retention
from ..domain.sample import RequestSample, SampleBatch, SeriesKey
from ..domain.secret_keys import USUAL, SecretKeys
from .background_events import BackgroundEvents
from .cardinality import DEFAULT_MAX_SERIES, SeriesLimit
from .caught import Caught, ExceptionRate
from .count_events import EventCounts
from .error_triage import ErrorTriage
from .errors import OpsboardError
from .event_feed import EventFeed
from .fault_log import FaultLog
from .health import HealthChecks
from .intake import Intake
from .ports import Clock, Ids, Store
from .project_errors import ErrorProjection
from .project_events import EventProjection
from .project_samples import SampleProjection
from .query_catalogue import CatalogueQueries
from .query_deploys import DeployQueries
from .query_events import EventQueries
from .query_metrics import MetricsQueries
from .query_overview import OverviewQueries
from .query_series import SeriesQueries
from .query_slowest import SlowestQueries
from .record import EventRecorder, SampleRecorder
from .record_histograms import HistogramRecorder
from .record_logs import LogRecorder
from .record_spans import SpanRecorder
from .retain import Retainer
from .versions import ServiceVersions
from .vitals import VitalsQueries

RETRY_SECONDS = 1.0
GOING_WELL_SECONDS = 10.0
"""What fails after such a time fails anew."""
FEW_ENTRIES = 256
"""So much is folded yet when the process ends: it takes some tens of ms."""

_log = logging.getLogger(__name__)


class Opsboard:
    """Everything that opsboard does, over one store.

    Use it as an async context manager: it opens the store, loads the folds and starts the
    background work; at the end it flushes the samples, saves the folds and closes the store.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        retention: Retention | None = None,
        max_series: int = DEFAULT_MAX_SERIES,
        secret_keys: SecretKeys = USUAL,
    ) -> None:
        """Work on `store`, which is opened with the context.

        `retention` is kept in the store; left out, it is the one that the store has, or the
        default.

        A service may have `max_series` series; more count as the route `(other)`. What stands in
        `meta` under one of `secret_keys` is masked.
        """
        self.store = store
        self.series_limit = SeriesLimit(max_series, self._say_series_exceeded)
        self.recorder = EventRecorder(store.journal, clock, secret_keys)
        self.samples = SampleRecorder(store.journal, clock, ids, self.series_limit)
        self.event_queries = EventQueries(store.event_index)
        self.versions = ServiceVersions(self.recorder, self.event_queries, clock)
        self.intake = Intake()
        self.logs = LogRecorder(self.recorder, self.versions, self.intake)
        self.rollups = SampleProjection(store.journal, store.rollups, clock)
        self.event_counts = EventCounts(store.journal)
        self.histograms = HistogramRecorder(
            store.journal,
            self.samples,
            self.rollups,
            self.series_limit,
            clock,
            intake=self.intake,
        )
        self.spans = SpanRecorder(
            self.samples,
            self.recorder,
            self.versions,
            self.intake,
            clock,
            histograms=self.histograms,
        )
        self.errors = ErrorProjection(store.journal, store.folds, clock)
        self.projections: dict[str, SampleProjection | EventProjection | ErrorProjection] = {
            "rollups": self.rollups,
            "event_index": EventProjection(
                store.journal, store.event_index, self.event_counts.take
            ),
            "error_groups": self.errors,
        }
        self.error_groups = ErrorTriage(self.errors, store.event_index, self.recorder, clock)
        self.event_feed = EventFeed(store.journal)
        self.metrics_queries = MetricsQueries(
            store.journal, self.samples, self.rollups, store.rollups, clock
        )
        self.series_queries = SeriesQueries(
            self.metrics_queries, store.journal, store.rollups, clock
        )
        self.overview_queries = OverviewQueries(
            self.metrics_queries, self.series_queries, clock, self.errors
        )
        self.slowest_queries = SlowestQueries(self.metrics_queries, store.journal, clock)
        self.catalogue = CatalogueQueries(self.metrics_queries, self.versions)
        self.deploys = DeployQueries(self.event_queries, self.metrics_queries, clock)
        self.health = HealthChecks(
            store,
            self.projections,
            samples=self.samples,
            series_limit=self.series_limit,
            intake=self.intake,
            clock=clock,
        )
        self.vitals = VitalsQueries(
            store,
            projections=self.projections,
            samples=self.samples,
            series_limit=self.series_limit,
            events=self.event_counts,
            intake=self.intake,
            clock=clock,
        )
        self.retainer = Retainer(store, self.rollups, self.errors, retention, clock)
        self._background_events = BackgroundEvents(self.recorder)
        self._exceptions = ExceptionRate(clock.monotonic)
        self._said: set[asyncio.Task[RecordedEvent]] = set()

    async def __aenter__(self) -> Self:
        """Open the store and start the background work. Raises `StoreUnusable`."""
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Flush, save, and close the store."""
        await self._running.__aexit__(*error)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        async with self.store.opened():
            await self._load()
            self._background_events.start()
            work = [
                self.samples.run,
                *(p.run for p in self.projections.values()),
                self.retainer.run,
            ]
            tasks = [asyncio.create_task(_persist(job)) for job in work]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._settle()

    async def _load(self) -> None:
        """Take up what the store has, which is open; nothing runs in the background yet."""
        await self.retainer.load()
        self.samples.max_behind = self.retainer.retention.raw
        await self.event_counts.start()
        for projection in self.projections.values():
            await projection.start()
        await self.versions.load()
        for seen in self.rollups.series.seen:
            self.series_limit.learn(seen.key)

    async def _settle(self) -> None:
        """Leave nothing behind that could be lost, and little to be done at the next start.

        A read model that is far behind stays so: the journal has everything, and who ends the
        process waits for this.
        """
        try:
            await self.samples.flush()
            await asyncio.gather(*self._said, return_exceptions=True)
            await self._background_events.finish()
            for projection in self.projections.values():
                if await projection.lag() <= FEW_ENTRIES:
                    await projection.catch_up()
                await projection.save()
        except OpsboardError as error:
            _log.error("at the end, not everything could be written: %s", error)

    def series(self, key: SeriesKey) -> int:
        """A number for a series, to observe it by; in this, a board is a `SampleSink`."""
        return self.samples.series(key)

    @property
    def observe(self) -> Callable[[int, int, int], None]:
        """Take one sample: its series' number, latency and end in ns; never fails, never waits."""
        return self.samples.observe

    def say_later(self, make: Callable[[], Mapping[str, Any]]) -> None:
        """Record an event without waiting for it; in this, a board is an `EventSink`.

        `make` gives what `record_event` takes, and is called on the board's loop.
        """
        self._background_events.put(make)

    def caught(self, error: Exception, *, service: str, route: str, method: str) -> None:
        """Record an exception that no handler took, as an event, without waiting for it.

        Of more than 5 a second, after the first 20, those beyond are only counted.
        """
        if not self._exceptions.allows():
            self._background_events.refuse()
            return
        found = Caught.of(error)
        self._background_events.put(
            lambda: found.event(service=service, route=route, method=method)
        )

    async def record_samples(
        self, samples: Sequence[RequestSample] | SampleBatch, key: IdempotencyKey | None = None
    ) -> int:
        """Record samples, all or none, and give their number, once they are durable.

        Raises `InvalidInput` naming the first bad rows, `IdempotencyClash`, `Overloaded`,
        `StoreUnavailable`.
        """
        if not isinstance(samples, SampleBatch):
            return await self.samples.record(KeyedSamples.of(samples, self.samples.find), key)
        return await self.samples.record(samples, key)

    def _say_series_exceeded(self, service: str) -> None:
        """Record, once a day, that a service has more series than it may."""
        said = asyncio.ensure_future(
            self.record_event(
                f"{service} has {self.series_limit.limit} series: more count as the route (other)",
                level="WARN",
                service=service,
                meta={"max_series": self.series_limit.limit},
                key=f"series-limit {hashlib.sha256(service.encode()).hexdigest()}",
            )
        )
        self._said.add(said)
        said.add_done_callback(self._said.discard)

    async def record_event(
        self,
        message: str,
        *,
        level: str = "INFO",
        type: str = "OPS",
        service: str = DEFAULT_SERVICE,
        meta: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> RecordedEvent:
        """Record one event and give it back with its id, once it is durable.

        Raises `InvalidInput`, `IdempotencyClash`, `Overloaded`, `StoreUnavailable`.
        """
        return await self.recorder.record(
            message, level=level, type=type, service=service, meta=meta, key=key
        )

    async def metrics(
        self, *, as_of: str | None = None, **selection: str | None
    ) -> MetricsSnapshot:
        """The metrics snapshot; takes what `GET /metrics` takes, such as `last="1h"`.

        Raises `InvalidInput`, `StoreUnavailable`.
        """
        question = self.metrics_queries.question(as_of=as_of, **selection)
        return await self.metrics_queries.snapshot(question)


async def _persist(job: Callable[[], Awaitable[None]]) -> None:
    """Run the job for ever: a store that fails for a while must not end it."""
    fault_log = FaultLog(_log)
    clock = asyncio.get_running_loop().time
    while True:
        started = clock()
        try:
            await job()
        except OpsboardError as error:
            if clock() - started > GOING_WELL_SECONDS:
                fault_log.forget()
            fault_log.met(f"{error}; trying again")
        except Exception:  # noqa: BLE001 - a job that stops for ever is worse than one that fails
            _log.exception("a background job failed; trying again")
        await asyncio.sleep(RETRY_SECONDS)
