"""Whether the server can do its work, check by check."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from .cardinality import SeriesLimit
from .errors import OpsboardError
from .intake import Intake
from .ports import Clock, Store
from .project_errors import ErrorProjection
from .project_events import EventProjection
from .project_samples import SampleProjection
from .record import SampleRecorder

CHECK_LIFETIME_NS = 1_000_000_000
MAX_LAG_ENTRIES = 50_000


class Check(msgspec.Struct, frozen=True):
    """One check: whether it holds, and what is to be said of it."""

    ok: bool
    detail: str


class HealthChecks:
    """The checks behind `/health` and `/readyz`.

    A check of the store commits to the disk, so its outcome is shared for a second.
    """

    def __init__(
        self,
        store: Store,
        projections: Mapping[str, SampleProjection | EventProjection | ErrorProjection],
        *,
        samples: SampleRecorder,
        series_limit: SeriesLimit,
        intake: Intake,
        clock: Clock,
    ) -> None:
        """Check `store`, how far projections are behind, and what was dropped, merged, refused."""
        self._store = store
        self._projections = projections
        self._samples = samples
        self._series_limit = series_limit
        self._intake = intake
        self._clock = clock
        self._checking = asyncio.Lock()
        self._checked_at: int | None = None
        self._store_check = Check(False, "not checked yet")

    async def store(self) -> Check:
        """Whether the store takes a write, as of at most a second ago."""
        async with self._checking:
            now = self._clock.monotonic()
            if self._checked_at is None or now - self._checked_at >= CHECK_LIFETIME_NS:
                self._store_check = await self._check_store()
                self._checked_at = self._clock.monotonic()
        return self._store_check

    async def _check_store(self) -> Check:
        try:
            await self._store.check_writable()
        except OpsboardError as error:
            return Check(False, str(error))
        return Check(True, "takes writes")

    async def ready(self) -> dict[str, Check]:
        """Every check by name: the store, each projection, and the samples."""
        checks = {"store": await self.store()}
        for name, projection in self._projections.items():
            checks[name] = await self._check_projection(projection)
        dropped = self._samples.dropped
        checks["samples"] = Check(True, f"{dropped} dropped since the start")
        checks["series"] = self._check_series()
        checks["opentelemetry"] = Check(True, str(self._intake))
        return checks

    def _check_series(self) -> Check:
        """Not a reason to take the server out of service, so it holds either way."""
        limit = self._series_limit
        if not limit.refused:
            return Check(True, f"no service has more than {limit.limit}")
        said = ", ".join(sorted(limit.refused))
        return Check(True, f"more than {limit.limit} in {said}: the rest count as (other)")

    async def _check_projection(
        self, projection: SampleProjection | EventProjection | ErrorProjection
    ) -> Check:
        try:
            lag = await projection.lag()
        except OpsboardError as error:
            return Check(False, str(error))
        said = f"{lag} entries behind the journal"
        if projection.unreadable:
            said += f", {projection.unreadable} unreadable"
        return Check(lag <= MAX_LAG_ENTRIES, said)


def all_hold(checks: Sequence[Check]) -> bool:
    """Whether every check holds."""
    return all(check.ok for check in checks)
