"""Questions about requests over time: points for charts, and the heat map."""

import asyncio
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ..domain.entry import Stream
from ..domain.instant import NS_PER_MS, format_instant, parse_duration
from ..domain.tier import EVER, Tier, Window, readable_step
from ..domain.time_series import (
    GROUPINGS,
    Grouping,
    Heatmap,
    HeatmapFold,
    Steps,
    TimeSeries,
    TimeSeriesFold,
    Wanted,
)
from ..domain.validation import InvalidInput
from .ports import Clock, Journal, RollupStore
from .query_metrics import MetricsQueries, MetricsQuestion, Piece

DEFAULT_SPAN_MS = 3_600_000
DEFAULT_POINTS = 240
MAX_POINTS = 2_000
MAX_VALUES = 200_000
ROLLUPS_AT_ONCE = 240


class SeriesQueries:
    """Answers piece by piece, so that a month costs no more memory than an hour."""

    def __init__(
        self, metrics: MetricsQueries, journal: Journal, rollups: RollupStore, clock: Clock
    ) -> None:
        """Ask `metrics` for the pieces; the others know what is kept."""
        self._metrics = metrics
        self._journal = journal
        self._rollups = rollups
        self._clock = clock

    async def series(
        self, question: MetricsQuestion, step: str | None = None, by: str | None = None
    ) -> TimeSeries:
        """Points over the question's window (the last hour if it has none), for each group.

        `step` is a duration such as `30s` or `5m`; `by` names one or more of `GROUPINGS`, with
        commas between. Raises `InvalidInput` naming the parameter, `StoreUnavailable`.
        """
        names = _groupings(by)
        question, steps = await self._steps(question, step)
        series = self._metrics.known
        wanted = question.selection.mask(series)
        grouping = Grouping(series, names, wanted)
        if len(grouping.labels) * steps.length > MAX_VALUES:
            raise InvalidInput.of(
                "by",
                f"gives {len(grouping.labels)} groups of {steps.length} points: "
                f"at most {MAX_VALUES} points are answered",
            )
        fold = TimeSeriesFold(steps, grouping, series)
        await self._fold(question, steps, wanted, fold)
        return await asyncio.to_thread(fold.result)

    async def heatmap(self, question: MetricsQuestion, step: str | None = None) -> Heatmap:
        """Requests by latency over time. Raises what `series` does."""
        question, steps = await self._steps(question, step)
        fold = HeatmapFold(steps)
        await self._fold(question, steps, question.selection.mask(self._metrics.known), fold)
        return await asyncio.to_thread(fold.result)

    async def _fold(
        self,
        question: MetricsQuestion,
        steps: Steps,
        wanted: Wanted,
        fold: TimeSeriesFold | HeatmapFold,
    ) -> None:
        """Give the fold the rollups of the wanted series, a few hundred at a time."""
        tier = max((tier for tier in Tier if steps.step_ms % tier == 0), default=Tier.MINUTE)
        span = max(1, ROLLUPS_AT_ONCE * tier // steps.step_ms) * steps.step_ms
        for start in range(steps.first_ms, question.window.until, span):
            part = Window(
                max(start, question.window.since), min(start + span, question.window.until)
            )
            pieces = await self._metrics.pieces(replace(question, window=part), steps.step_ms)
            await asyncio.to_thread(_add_all, fold, pieces, wanted)

    async def _steps(
        self, question: MetricsQuestion, step: str | None
    ) -> tuple[MetricsQuestion, Steps]:
        """The question with a bounded window, and the steps that cover it."""
        await self._metrics.settle()
        now = self._clock.now() if question.as_of is None else question.as_of
        until = question.window.until
        until = now // NS_PER_MS + 1 if until == EVER.until else until
        since = question.window.since or max(0, until - DEFAULT_SPAN_MS)
        if until <= since:
            raise InvalidInput.of("until", "must lie after since")
        coarse = await self._only_hours_before()
        if step is None:
            step_ms = readable_step(until - since, DEFAULT_POINTS)
            step_ms = max(step_ms, Tier.HOUR) if since < coarse else step_ms
        else:
            step_ms = parse_duration(step, "step") // NS_PER_MS
            await self._check(step_ms, since, until, coarse)
        first = since - since % step_ms
        steps = Steps(first, step_ms, -(-(until - first) // step_ms))
        return replace(question, window=Window(since, until)), steps

    async def _check(self, step_ms: int, since: int, until: int, coarse: int) -> None:
        if step_ms % Tier.MINUTE and Tier.MINUTE % step_ms:
            raise InvalidInput.of("step", "must be whole minutes, or divide a minute")
        points = -(-(until - since) // step_ms) + 1
        if points > MAX_POINTS:
            raise InvalidInput.of(
                "step", f"gives {points} points: at most {MAX_POINTS} are answered"
            )
        if since < coarse and step_ms % Tier.HOUR:
            raise InvalidInput.of("step", f"must be whole hours before {_at(coarse)}")
        cut = (await self._journal.cut(Stream.SAMPLES)).recorded_at // NS_PER_MS
        if since < cut and step_ms % Tier.MINUTE:
            raise InvalidInput.of("step", f"must be whole minutes before {_at(cut)}")

    async def _only_hours_before(self) -> int:
        """The moment (ms) before which minutes are not kept any more; 0 where all are."""
        hours = await self._rollups.starts(Tier.HOUR)
        minutes = await self._rollups.starts(Tier.MINUTE)
        oldest = minutes[0] if minutes else EVER.until
        return oldest if hours and hours[0] + Tier.HOUR <= oldest else 0


def _add_all(fold: TimeSeriesFold | HeatmapFold, pieces: Iterator[Piece], wanted: Wanted) -> None:
    for piece in pieces:
        rollups = piece.rollups.only(wanted)
        if len(rollups.series):
            fold.add(piece.start_ms, rollups)


def _groupings(by: str | None) -> Sequence[str]:
    names = by.split(",") if by else []
    if not set(names) <= set(GROUPINGS) or len(set(names)) < len(names):
        raise InvalidInput.of("by", f"must name some of {', '.join(GROUPINGS)}, each once")
    return names


def _at(ms: int) -> str:
    return format_instant(ms * NS_PER_MS)
