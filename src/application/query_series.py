"""Questions about requests over time: points for charts, and the heat map."""

import asyncio
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ..domain.entry import Stream
from ..domain.instant import NS_PER_MS, format_ms, parse_duration
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
CUT_AT_ONCE_MS = 2 * Tier.MINUTE
"""Of steps below a minute, which are all cut out of samples and held until they are folded."""


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
        tier = max((tier for tier in Tier if steps.step_ms % tier == 0), default=None)
        at_once = CUT_AT_ONCE_MS if tier is None else ROLLUPS_AT_ONCE * tier
        span = max(1, at_once // steps.step_ms) * steps.step_ms
        for start in range(steps.first_ms, question.window.until, span):
            part = Window(
                max(start, question.window.since), min(start + span, question.window.until)
            )
            pieces = await self._metrics.pieces(replace(question, window=part), steps.step_ms)
            await self._metrics.fold(_add_all, fold, pieces, wanted)

    async def _steps(
        self, question: MetricsQuestion, step: str | None
    ) -> tuple[MetricsQuestion, Steps]:
        """The question with a bounded window, and the steps that cover it."""
        await self._metrics.settle()
        now = self._clock.now() if question.as_of is None else question.as_of
        until = question.window.until
        until = now // NS_PER_MS + 1 if until == EVER.until else until
        since = question.window.since
        since = max(0, until - DEFAULT_SPAN_MS) if since == EVER.since else since
        if until <= since:
            raise InvalidInput.of("until", "must lie after since")
        finest, kept_from = await self.finest(since)
        if step is None:
            step_ms = max(readable_step(until - since, DEFAULT_POINTS), finest)
        else:
            step_ms = parse_duration(step, "step") // NS_PER_MS
        _check_step(step_ms, until - since)
        if step_ms % finest:
            name = "hours" if finest == Tier.HOUR else "minutes"
            raise InvalidInput.of("step", f"must be whole {name} before {format_ms(kept_from)}")
        first = since - since % step_ms
        steps = Steps(first, step_ms, -(-(until - first) // step_ms))
        return replace(question, window=Window(since, until)), steps

    async def finest(self, since: int) -> tuple[int, int]:
        """The finest step (ms) that is all kept since a moment, and since when finer ones are."""
        hours = await self._rollups.starts(Tier.HOUR)
        minutes = await self._rollups.starts(Tier.MINUTE)
        minutes_from = minutes[0] if minutes else hours[-1] + Tier.HOUR if hours else 0
        if hours and hours[0] + Tier.HOUR <= minutes_from and since < minutes_from:
            return Tier.HOUR, minutes_from
        samples_from = (await self._journal.cut(Stream.SAMPLES)).recorded_at // NS_PER_MS
        return (Tier.MINUTE if since < samples_from else 1), samples_from


def _check_step(step_ms: int, span_ms: int) -> None:
    """Raises `InvalidInput` for a step that no window can be cut into, or this one not."""
    if step_ms % Tier.MINUTE and Tier.MINUTE % step_ms:
        raise InvalidInput.of("step", "must be whole minutes, or divide a minute")
    points = -(-span_ms // step_ms) + 1
    if points > MAX_POINTS:
        raise InvalidInput.of("step", f"gives {points} points: at most {MAX_POINTS} are answered")


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
