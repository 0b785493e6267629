"""The question that a page opens with: how the services are, and what needs attention."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from ..domain.comparison import (
    UNSEEN,
    Compared,
    CountFold,
    Grouped,
    Span,
    SpanFold,
    Traffic,
    compare,
    is_own_stream,
)
from ..domain.instant import NS_PER_MS, format_ms
from ..domain.overview import (
    Activity,
    Finding,
    Observed,
    ServiceOverview,
    findings,
    most_urgent_first,
    new_errors,
    state,
)
from ..domain.sample import SeriesKey
from ..domain.tier import EVER, Tier, Window
from ..domain.validation import InvalidInput
from .ports import Clock
from .project_errors import ErrorProjection
from .query_metrics import MetricsQueries, MetricsQuestion, Piece
from .query_series import SeriesQueries

DEFAULT_SPAN_MS = 3_600_000
LEAST_PARTS = 12
SCALES = {Tier.MINUTE: 120, Tier.HOUR: 48}
"""On which it is looked whether traffic is gone: so many of the last minutes and hours."""


class Overview(msgspec.Struct, frozen=True):
    """The window [since, until) against the one of the same length before it."""

    since: str
    until: str
    before_since: str
    now: Traffic
    before: Traffic
    services: list[ServiceOverview]
    attention: list[Finding]


class OverviewQueries:
    """Compares what each service did with what it did before."""

    def __init__(
        self,
        metrics: MetricsQueries,
        series: SeriesQueries,
        clock: Clock,
        errors: ErrorProjection,
    ) -> None:
        """Ask `metrics` and `errors`; `series` knows what is kept."""
        self._metrics = metrics
        self._series = series
        self._clock = clock
        self._errors = errors

    async def overview(self, question: MetricsQuestion) -> Overview:
        """The services in the question's window (the last hour if it has none).

        Raises `InvalidInput`, `StoreUnavailable`.
        """
        await self._metrics.settle()
        await self._errors.catch_up()
        window = self._window(question)
        length = window.until - window.since
        earlier = Window(max(0, window.since - length), window.since)
        finest, _ = await self._series.finest(earlier.since)
        part_ms = max(_part(length), finest)
        spans = [Span(earlier, part_ms), Span(window, part_ms)]
        pieces = [
            await self._metrics.pieces(replace(question, window=span.window), part_ms)
            for span in spans
        ]
        keys = [seen.key for seen in self._metrics.known.seen]
        grouped = Grouped(self._metrics.known, [_label(question, key) for key in keys])
        folds, compared, total = await self._metrics.fold(_compared, spans, pieces, grouped)
        active = [
            await self._active(question, window.until, scale, grouped, folds) for scale in SCALES
        ]
        seen = self._last_seen()
        observed = [
            Observed(
                service,
                seen[service],
                each,
                [Activity(fold.total[:, place], fold.span.part_ms / 1000) for fold in active],
            )
            for place, ((service,), each) in enumerate(zip(grouped.labels, compared, strict=True))
        ]
        found = {each.service: findings(each, len(observed)) for each in observed}
        new = new_errors(
            self._errors.groups.newest_first(),
            question.selection.service,
            window.since * NS_PER_MS,
            window.until * NS_PER_MS,
        )
        return Overview(
            format_ms(window.since),
            format_ms(window.until),
            format_ms(earlier.since),
            total.after,
            total.before,
            [_service(each, found[each.service]) for each in observed],
            most_urgent_first([*new, *(f for some in found.values() for f in some)], observed),
        )

    async def _active(
        self,
        question: MetricsQuestion,
        until: int,
        tier: Tier,
        grouped: Grouped,
        folds: Sequence[SpanFold],
    ) -> CountFold:
        """How active each service was up to a moment, on one scale; `folds` may know it already."""
        start = tier.start_of(until - 1) - (SCALES[tier] - 1) * tier
        span = Span(Window(max(0, start), until), tier)
        if folds[0].span.window.since <= span.window.since and tier % folds[0].span.part_ms == 0:
            return _counted_again(span, folds, grouped)
        asked = replace(question, window=span.window)
        pieces = await self._metrics.pieces(asked, tier, histograms=False)
        return await self._metrics.fold(_counted, span, pieces, grouped)

    def _window(self, question: MetricsQuestion) -> Window:
        since, until = question.window
        now = self._clock.now() if question.as_of is None else question.as_of
        until = now // NS_PER_MS + 1 if until == EVER.until else until
        since = max(0, until - DEFAULT_SPAN_MS) if since == EVER.since else since
        if until <= since:
            raise InvalidInput.of("until", "must lie after since")
        return Window(since, until)

    def _last_seen(self) -> dict[str, str]:
        last: dict[str, int] = {}
        for seen in self._metrics.known.seen:
            last[seen.key.service] = max(last.get(seen.key.service, 0), seen.seen_upto_ms)
        return {service: format_ms(ms) for service, ms in last.items()}


def _part(length: int) -> int:
    """The longest tier of which the window has enough for telling chance from change."""
    fitting = (tier for tier in (Tier.DAY, Tier.HOUR) if length >= LEAST_PARTS * tier)
    return next(fitting, Tier.MINUTE)


def _label(question: MetricsQuestion, key: SeriesKey) -> tuple[str, ...] | None:
    return (key.service,) if question.selection.wants(key) and not is_own_stream(key) else None


def _service(observed: Observed, found: Sequence[Finding]) -> ServiceOverview:
    return ServiceOverview(
        observed.service,
        state(observed, found),
        observed.last_seen,
        observed.compared.after,
        observed.compared.before,
    )


def _counted(span: Span, pieces: Iterator[Piece], grouped: Grouped) -> CountFold:
    fold = CountFold(span, grouped)
    for piece in pieces:
        fold.add(piece.start_ms, piece.rollups)
    return fold


def _counted_again(span: Span, folds: Sequence[SpanFold], grouped: Grouped) -> CountFold:
    counts = CountFold(span, grouped)
    for fold in folds:
        counts.count_again(fold)
    return counts


def _compared(
    spans: Sequence[Span], pieces: Sequence[Iterator[Piece]], grouped: Grouped
) -> tuple[Sequence[SpanFold], list[Compared], Compared]:
    """Both spans, each service of them against each other, and all services together.

    On a thread, since rollups are unpacked as they are taken.
    """
    folds = [SpanFold(span, grouped) for span in spans]
    for fold, some in zip(folds, pieces, strict=True):
        for piece in some:
            fold.add(piece.start_ms, piece.rollups)
    totals = [fold.as_one() for fold in folds]
    return folds, compare(*folds), next(iter(compare(*totals)), UNSEEN)
