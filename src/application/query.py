"""The read side: questions, answered from folds and read models."""

from collections.abc import Iterator

import msgspec

from ..domain.entry import Stream, UnreadableEntry
from ..domain.event import EventFilter, RecordedEvent
from ..domain.histogram import ExponentialHistogram
from ..domain.instant import format_instant, parse_duration, parse_instant
from ..domain.metrics import EVERYTHING, MetricsSnapshot, RequestMetrics, Selection
from ..domain.sample import SampleBatch, SeriesKey
from ..domain.summary import EventSummary
from ..domain.validation import InvalidInput
from ..domain.words import TextQuery
from .errors import EventNotFound, Overloaded, StoreUnavailable
from .ports import Clock, EventIndex, Journal
from .project import MetricsProjection
from .record import SampleRecorder

DEFAULT_PAGE = 50
MAX_PAGE = 500


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first; `before` is what the next page is asked with, None at the end."""

    events: list[RecordedEvent]
    before: int | None


class EventQueries:
    """Questions about operational events."""

    def __init__(self, index: EventIndex) -> None:
        """Ask `index`."""
        self._index = index

    async def search(
        self,
        wanted: EventFilter | None = None,
        limit: int = DEFAULT_PAGE,
        before: int | None = None,
    ) -> EventPage:
        """At most `limit` (1-500) events, newest first, with ids below `before` where given.

        Raises `InvalidInput`, `StoreUnavailable`.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput.of("limit", f"must be 1-{MAX_PAGE}")
        found = await self._index.search(wanted or EventFilter(), limit + 1, before)
        more = len(found) > limit
        return EventPage(found[:limit], found[limit - 1].id if more else None)

    async def get(self, id: int) -> RecordedEvent:
        """The event with this id. Raises `EventNotFound`, `StoreUnavailable`."""
        found = await self._index.get(id)
        if found is None:
            raise EventNotFound(f"no event has the id {id}")
        return found

    async def summarise(self, wanted: EventFilter | None = None) -> EventSummary:
        """How many events of each level, service and type. Raises `StoreUnavailable`."""
        return await self._index.summarise(wanted or EventFilter())


class RequestMetricsAnswer(msgspec.Struct, frozen=True):
    """A fold that answers a question, the question, and the time since the start in ns.

    The fold may be the live one: read it before the event loop turns again.
    """

    fold: RequestMetrics
    selection: Selection
    uptime_ns: int

    def series(self) -> Iterator[tuple[SeriesKey, ExponentialHistogram]]:
        """The series that the selection wants, in the order of `GET /metrics`."""
        return ((k, h) for k, h in sorted(self.fold.series.items()) if self.selection.wants(k))


class MetricsQueries:
    """Questions about request samples."""

    def __init__(
        self,
        journal: Journal,
        samples: SampleRecorder,
        projection: MetricsProjection,
        clock: Clock,
    ) -> None:
        """Answer from the live fold, or from the journal where a window or a moment is asked."""
        self._journal = journal
        self._samples = samples
        self._projection = projection
        self._clock = clock
        self._started = clock.now()
        self._started_monotonic = clock.monotonic()

    async def snapshot(
        self, selection: Selection = EVERYTHING, as_of: int | None = None
    ) -> MetricsSnapshot:
        """The metrics of what the selection wants, now or as they were known at `as_of` (ns).

        Every sample observed in this process before the call is in it, unless the journal can
        not take it now. Raises `StoreUnavailable`.
        """
        answer = await self.answer(selection, as_of)
        return answer.fold.snapshot(answer.uptime_ns, selection)

    async def answer(
        self, selection: Selection = EVERYTHING, as_of: int | None = None
    ) -> RequestMetricsAnswer:
        """What `snapshot` sums up, with its histograms."""
        await self._flush()
        if as_of is None and selection.since is None and selection.until is None:
            await self._projection.catch_up()
            fold = self._projection.fold
        else:
            fold = await self._replay(selection, as_of)
        return RequestMetricsAnswer(fold, selection, self._uptime(as_of))

    async def _flush(self) -> None:
        try:
            await self._samples.flush()
        except (StoreUnavailable, Overloaded):
            return

    async def _replay(self, selection: Selection, as_of: int | None) -> RequestMetrics:
        fold = RequestMetrics()
        async for page in self._journal.read(Stream.SAMPLES):
            for recorded in page:
                if as_of is not None and recorded.recorded_at > as_of:
                    return fold
                try:
                    entry = recorded.entry
                except UnreadableEntry:
                    continue
                if isinstance(entry, SampleBatch):
                    fold.evolve(entry, selection)
        return fold

    def _uptime(self, as_of: int | None) -> int:
        if as_of is None:
            return self._clock.monotonic() - self._started_monotonic
        return max(0, as_of - self._started)

    def select(
        self,
        *,
        service: str | None = None,
        route: str | None = None,
        method: str | None = None,
        last: str | None = None,
        since: str | None = None,
        until: str | None = None,
        as_of: str | None = None,
    ) -> tuple[Selection, int | None]:
        """The selection and moment that a caller's words mean (`last="15m"`, RFC 3339 times).

        `last` ends at `as_of`, or now. Raises `InvalidInput` naming the parameter.
        """
        moment = None if as_of is None else parse_instant(as_of, "as_of")
        start, end = window(since=since, until=until)
        if last is not None:
            if since is not None or until is not None:
                raise InvalidInput.of("last", "goes without since and until")
            end = self._clock.now() if moment is None else moment
            start, end = end - parse_duration(last, "last"), end + 1
        return Selection(service, route, method, start, end), moment


def window(*, since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """[since, until) in ns from RFC 3339 times. Raises `InvalidInput` naming the parameter."""
    start = None if since is None else parse_instant(since, "since")
    end = None if until is None else parse_instant(until, "until")
    if start is not None and end is not None and end <= start:
        raise InvalidInput.of("until", f"must lie after since, {format_instant(start)}")
    return start, end


def event_filter(
    *,
    level: str | None = None,
    type: str | None = None,
    service: str | None = None,
    q: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> EventFilter:
    """The filter that a caller's words mean. Raises `InvalidInput` naming the parameters."""
    start, end = window(since=since, until=until)
    return EventFilter.of(
        level=level,
        type=type,
        service=service,
        since=start,
        until=end,
        query=None if q is None else TextQuery.parse(q),
    )
