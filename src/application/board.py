"""The use cases of one store, running: what the routes, the shell and in-process callers share."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from ..domain.event import DEFAULT_SERVICE, RecordedEvent
from ..domain.metrics import MetricsSnapshot
from ..domain.sample import RequestSample
from .errors import OpsboardError
from .health import HealthChecks
from .ports import Clock, Ids, Store
from .project import EventProjection, MetricsProjection
from .query import EventQueries, MetricsQueries
from .record import EventRecorder, SampleRecorder

RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Opsboard:
    """Everything that opsboard does, over one store.

    Use it as an async context manager: it opens the store, loads the folds and starts the
    background work; at the end it flushes the samples, saves the folds and closes the store.
    """

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        """Work on `store`, which is opened with the context."""
        self.store = store
        self.recorder = EventRecorder(store.journal, clock)
        self.samples = SampleRecorder(store.journal, ids)
        metrics = MetricsProjection(store.journal, store.folds)
        self.projections: dict[str, MetricsProjection | EventProjection] = {
            "request_metrics": metrics,
            "event_index": EventProjection(store.journal, store.event_index),
        }
        self.event_queries = EventQueries(store.event_index)
        self.metrics_queries = MetricsQueries(store.journal, self.samples, metrics, clock)
        self.health = HealthChecks(store, self.projections, self.samples, clock)

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
            for projection in self.projections.values():
                await projection.start()
            work = [self.samples.run, *(p.run for p in self.projections.values())]
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
            for projection in self.projections.values():
                await projection.catch_up()
                await projection.save()
        except OpsboardError as error:
            _log.error("at the end, not everything could be written: %s", error)

    @property
    def observe(self) -> Callable[[RequestSample], None]:
        """Take one request sample; never fails, never waits."""
        return self.samples.observe

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
        wanted, moment = self.metrics_queries.select(as_of=as_of, **selection)
        return await self.metrics_queries.snapshot(wanted, moment)


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
