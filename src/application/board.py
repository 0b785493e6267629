"""The use cases of one store, running: what the routes, the shell and in-process callers share."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from ..domain.entry import IdempotencyKey
from ..domain.event import DEFAULT_SERVICE, RecordedEvent
from ..domain.metrics import MetricsSnapshot
from ..domain.retention import Retention
from ..domain.sample import RequestSample, SampleBatch, SeriesKey
from .cardinality import DEFAULT_MAX_SERIES, SeriesLimit
from .errors import OpsboardError
from .event_feed import EventFeed
from .health import HealthChecks
from .intake import Intake
from .ports import Clock, Ids, Store
from .project_events import EventProjection
from .project_samples import SampleProjection
from .query_catalogue import CatalogueQueries
from .query_deploys import DeployQueries
from .query_events import EventQueries
from .query_metrics import MetricsQueries
from .query_series import SeriesQueries
from .record import EventRecorder, SampleRecorder
from .record_histograms import HistogramRecorder
from .record_logs import LogRecorder
from .record_spans import SpanRecorder
from .retain import Retainer

RETRY_SECONDS = 1.0

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
    ) -> None:
        """Work on `store`, which is opened with the context.

        `retention` is kept in the store; left out, it is the one that the store has, or the
        default.

        A service may have `max_series` series; more count as the route `(other)`.
        """
        self.store = store
        self.series_limit = SeriesLimit(max_series, self._say_series_exceeded)
        self.recorder = EventRecorder(store.journal, clock)
        self.samples = SampleRecorder(store.journal, clock, ids, self.series_limit)
        self.intake = Intake()
        self.logs = LogRecorder(self.recorder, self.intake)
        self.rollups = SampleProjection(store.journal, store.rollups, clock)
        self.histograms = HistogramRecorder(
            store.journal,
            self.samples,
            self.rollups,
            self.series_limit,
            clock,
            intake=self.intake,
        )
        self.spans = SpanRecorder(
            self.samples, self.recorder, clock, intake=self.intake, histograms=self.histograms
        )
        self.projections: dict[str, SampleProjection | EventProjection] = {
            "rollups": self.rollups,
            "event_index": EventProjection(store.journal, store.event_index),
        }
        self.event_queries = EventQueries(store.event_index)
        self.event_feed = EventFeed(store.journal)
        self.metrics_queries = MetricsQueries(
            store.journal, self.samples, self.rollups, store.rollups, clock
        )
        self.series_queries = SeriesQueries(
            self.metrics_queries, store.journal, store.rollups, clock
        )
        self.catalogue = CatalogueQueries(self.metrics_queries)
        self.deploys = DeployQueries(self.event_queries, self.metrics_queries, clock)
        self.health = HealthChecks(
            store,
            self.projections,
            samples=self.samples,
            series_limit=self.series_limit,
            intake=self.intake,
            clock=clock,
        )
        self.retainer = Retainer(store, self.rollups, retention, clock)
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
            await self.retainer.load()
            self.samples.max_behind = self.retainer.retention.raw
            for projection in self.projections.values():
                await projection.start()
            for seen in self.rollups.series.seen:
                self.series_limit.learn(seen.key)
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

    async def _settle(self) -> None:
        """Leave nothing behind that could still be written."""
        try:
            await self.samples.flush()
            await asyncio.gather(*self._said, return_exceptions=True)
            for projection in self.projections.values():
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

    async def record_samples(
        self, samples: Sequence[RequestSample] | SampleBatch, key: IdempotencyKey | None = None
    ) -> int:
        """Record samples, all or none, and give their number, once they are durable.

        Raises `InvalidInput` naming the first bad rows, `IdempotencyClash`, `Overloaded`,
        `StoreUnavailable`.
        """
        batch = samples if isinstance(samples, SampleBatch) else SampleBatch.of(samples)
        return await self.samples.record(batch, key)

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
    while True:
        try:
            await job()
        except OpsboardError as error:
            _log.warning("%s; trying again", error)
        except Exception:  # noqa: BLE001 - a job that stops for ever is worse than one that fails
            _log.exception("a background job failed; trying again")
        await asyncio.sleep(RETRY_SECONDS)
