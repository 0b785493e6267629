"""Questions about deploys: what each did to its service."""

from collections.abc import Iterator, Sequence

import msgspec

from ..domain.comparison import (
    UNSEEN,
    Compared,
    Distribution,
    Grouped,
    Span,
    SpanFold,
    compare,
    distribution,
    endpoint_of,
    is_own_stream,
)
from ..domain.deploy import Period, Verdict, around, judge
from ..domain.event import EventFilter, EventType, RecordedEvent
from ..domain.instant import NS_PER_MS, parse_duration
from ..domain.instant import window as parse_window
from ..domain.metrics import Selection
from ..domain.tier import Tier, Window
from ..domain.validation import InvalidInput
from .ports import Clock
from .query_events import MAX_PAGE, EventQueries
from .query_metrics import MetricsQueries, MetricsQuestion, Piece

DEFAULT_DEPLOYS = 10
MAX_DEPLOYS = 50
DEFAULT_WINDOW = "30m"
MAX_WINDOW_MS = 86_400_000


class Deploy(msgspec.Struct, frozen=True):
    """A deploy, its service before and after it, and what is to be made of that."""

    event: RecordedEvent
    before: Period
    after: Period
    verdict: Verdict
    latency: Distribution


class DeployQueries:
    """Compares the requests before each `DEPLOY` event with those after it."""

    def __init__(self, events: EventQueries, metrics: MetricsQueries, clock: Clock) -> None:
        """Ask `events` for the deploys and `metrics` for the requests around them."""
        self._events = events
        self._metrics = metrics
        self._clock = clock

    async def deploys(
        self,
        *,
        service: str | None = None,
        last: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = DEFAULT_DEPLOYS,
        window: str = DEFAULT_WINDOW,
    ) -> list[Deploy]:
        """The newest deploys, newest first, each with the requests of a time around it.

        Raises `InvalidInput` naming the parameter, `StoreUnavailable`.
        """
        if not 1 <= limit <= MAX_DEPLOYS:
            raise InvalidInput.of("limit", f"must be 1-{MAX_DEPLOYS}")
        window_ms = parse_duration(window, "window") // NS_PER_MS
        if not Tier.MINUTE <= window_ms <= MAX_WINDOW_MS:
            raise InvalidInput.of("window", "must be 1m to 24h")
        start, end = self._asked(last, since, until)
        wanted = EventFilter.of(
            level=None, type=EventType.DEPLOY, service=service, since=start, until=end, query=None
        )
        found = (await self._events.search(wanted, limit)).events
        await self._metrics.settle()
        return [await self._judged(event, window_ms) for event in found]

    def _asked(
        self, last: str | None, since: str | None, until: str | None
    ) -> tuple[int | None, int | None]:
        if last is None:
            return parse_window(since=since, until=until)
        if since is not None or until is not None:
            raise InvalidInput.of("last", "goes without since and until")
        return max(0, self._clock.now() - parse_duration(last, "last")), None

    async def _judged(self, deploy: RecordedEvent, window_ms: int) -> Deploy:
        at_ms = deploy.event.ts // NS_PER_MS
        neighbours = await self._neighbours(deploy, window_ms)
        now_ms = self._clock.now() // NS_PER_MS + 1
        spans = around(at_ms, window_ms, neighbours, now_ms)
        service = deploy.event.service
        selection = Selection(service=service)
        pieces = [
            await self._metrics.pieces(MetricsQuestion(selection, span), Tier.MINUTE)
            if span.until > span.since
            else iter(())
            for span in spans
        ]
        routes = Grouped(
            self._metrics.known,
            [
                endpoint_of(seen.key)
                if seen.key.service == service and not is_own_stream(seen.key)
                else None
                for seen in self._metrics.known.seen
            ],
        )
        verdict, total, latency = await self._metrics.fold(_compared, spans, pieces, routes)
        before, after = spans
        return Deploy(
            deploy,
            Period.of(before, total.before),
            Period.of(after, total.after),
            verdict,
            latency,
        )

    async def _neighbours(self, deploy: RecordedEvent, window_ms: int) -> list[int]:
        """When (ms) the same service was deployed in the time around."""
        at, window_ns = deploy.event.ts, window_ms * NS_PER_MS
        near = EventFilter(
            type=EventType.DEPLOY,
            service=deploy.event.service,
            since=max(0, at - window_ns),
            until=at + window_ns + 1,
        )
        found = (await self._events.search(near, MAX_PAGE)).events
        return [each.event.ts // NS_PER_MS for each in found]


def _compared(
    spans: Sequence[Window], pieces: Sequence[Iterator[Piece]], routes: Grouped
) -> tuple[Verdict, Compared, Distribution]:
    """The comparison itself; on a thread, since rollups are unpacked as they are taken."""
    by_route = [SpanFold(Span(span, Tier.MINUTE), routes) for span in spans]
    for fold, some in zip(by_route, pieces, strict=True):
        for piece in some:
            fold.add(piece.start_ms, piece.rollups)
    totals = [fold.as_one() for fold in by_route]
    total = next(iter(compare(*totals)), UNSEEN)
    endpoints = list(zip(routes.labels, compare(*by_route), strict=True))
    return judge(total, endpoints), total, distribution(*totals)
