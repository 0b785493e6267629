import asyncio

import pytest
from msgspec.structs import replace
from opsboard.adapters.memory import MemoryStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import EventNotFound, IdempotencyClash, StoreUnavailable
from opsboard.application.query_events import event_filter
from opsboard.application.verify import verify
from opsboard.domain.entry import Encoded, Head, Recorded, Stream, append_to
from opsboard.domain.instant import format_instant
from opsboard.domain.validation import InvalidInput

from ..fakes import SECOND_NS, START_NS, CountingIds, ManualClock, entries, observe, sample


async def test_an_event_is_given_back_with_its_id_and_found_at_once(board: Opsboard) -> None:
    recorded = await board.record_event("hi", level="warn", type="AUDIT", meta={"a": 1})
    assert recorded.id == 1
    assert recorded.event.ts == START_NS
    assert (await board.event_queries.get(1)) == recorded
    assert (await board.event_queries.search()).events == [recorded]


async def test_the_same_key_and_words_give_the_first_answer(
    board: Opsboard, clock: ManualClock
) -> None:
    first = await board.record_event("hi", key="k")
    clock.advance(SECOND_NS)
    assert await board.record_event("hi", key="k") == first
    assert (await board.event_queries.search()).events == [first]
    with pytest.raises(IdempotencyClash):
        await board.record_event("something else", key="k")


async def test_after_a_day_a_key_is_free_again(board: Opsboard, clock: ManualClock) -> None:
    await board.record_event("hi", key="k")
    clock.advance(24 * 3600 * SECOND_NS)
    assert (await board.record_event("something else", key="k")).id == 2


async def test_pages_hold_every_event_once_newest_first(board: Opsboard) -> None:
    for number in range(7):
        await board.record_event(str(number))
    seen: list[int] = []
    before = None
    while True:
        page = await board.event_queries.search(limit=3, before=before)
        seen += [event.id for event in page.events]
        before = page.before
        if before is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("limit", [0, 501])
async def test_a_page_has_its_bounds(board: Opsboard, limit: int) -> None:
    with pytest.raises(InvalidInput, match="limit must be 1-500"):
        await board.event_queries.search(limit=limit)


async def test_an_id_that_no_event_has(board: Opsboard) -> None:
    with pytest.raises(EventNotFound, match="the id 9"):
        await board.event_queries.get(9)


async def test_the_summary_counts_under_the_filters(board: Opsboard) -> None:
    await board.record_event("a", level="WARN", service="shop")
    await board.record_event("b", level="WARN", type="AUDIT")
    await board.record_event("c", level="INFO")
    summary = await board.event_queries.summarise(event_filter(level="warn"))
    assert summary.by_level == {"WARN": 2}
    assert summary.by_service == {"shop": 1, "api": 1}
    assert summary.by_type == {"OPS": 1, "AUDIT": 1}
    assert (await board.event_queries.summarise()).by_level == {"WARN": 2, "INFO": 1}


async def test_metrics_read_their_own_writes(board: Opsboard, clock: ManualClock) -> None:
    observe(board, sample(ms=12))
    clock.advance(2 * SECOND_NS)
    snapshot = await board.metrics()
    assert snapshot.uptime_seconds == 2
    assert [(r.route, r.count, r.max_ms) for r in snapshot.requests] == [("/cart/{id}", 1, 12)]


async def test_last_counts_the_window_up_to_now(board: Opsboard, clock: ManualClock) -> None:
    for _ in range(3):
        observe(board, sample(ended_at=clock.now()))
        clock.advance(10 * SECOND_NS)
    assert (await board.metrics(last="20s")).requests_total == 2
    assert (await board.metrics(last="15m")).requests_total == 3
    since, until = format_instant(START_NS), format_instant(START_NS + 10 * SECOND_NS)
    assert (await board.metrics(since=since, until=until)).requests_total == 1
    assert (await board.metrics(since=since)).requests_total == 3


async def test_as_of_answers_with_what_was_recorded_by_then(
    board: Opsboard, clock: ManualClock
) -> None:
    moments = []
    for count in range(1, 5):
        for _ in range(count):
            observe(board, sample(ended_at=clock.now()))
        await board.samples.flush()
        moments.append(format_instant(clock.now()))
        clock.advance(SECOND_NS)
    answers = [await board.metrics(as_of=moment) for moment in moments]
    assert [a.requests_total for a in answers] == [1, 3, 6, 10]
    assert [a.uptime_seconds for a in answers] == [0, 1, 2, 3]
    assert (await board.metrics(as_of=moments[1], last="1s")).requests_total == 3
    assert (await board.metrics(as_of="2000-01-01T00:00:00Z")).requests_total == 0


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ({"last": "1h", "since": "2026-01-31T09:00:00Z"}, "last"),
        ({"since": "2026-01-31T09:00:00Z", "until": "2026-01-31T09:00:00Z"}, "until"),
        ({"last": "soon"}, "last"),
        ({"as_of": "yesterday"}, "as_of"),
    ],
)
async def test_a_question_that_makes_no_sense_names_the_parameter(
    board: Opsboard, question: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await board.metrics(**question)
    assert refused.value.violations[0].pointer == named


async def test_a_restart_goes_on_from_the_saved_rollups(
    memory: MemoryStore, clock: ManualClock
) -> None:
    for expected in (1, 2, 3):
        board = Opsboard(memory, clock, CountingIdsFrom(expected))
        async with board:
            observe(board, sample())
            await board.record_event("hi")
            assert (await board.metrics()).requests_total == expected
        saved = await memory.rollups.load()
        assert saved.checkpoint == expected
    assert [difference async for difference in verify(memory)] == []


async def test_a_total_that_is_lost_is_summed_up_anew(
    memory: MemoryStore, clock: ManualClock
) -> None:
    async with Opsboard(memory, clock, CountingIds()) as board:
        observe(board, sample())
    memory.rollups._state = replace(memory.rollups._state, total=None)
    async with Opsboard(memory, clock, CountingIdsFrom(9)) as board:
        observe(board, sample())
        assert (await board.metrics()).requests_total == 2
    assert [difference async for difference in verify(memory)] == []


async def test_an_entry_that_can_not_be_read_is_left_out_counted_and_told(
    memory: MemoryStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    good = (await _one_event(clock)).encoded
    for stream, kind in ((Stream.EVENTS, "event"), (Stream.SAMPLES, "samples")):
        broken = Encoded(kind, 1, b'{"ts": "soon"}')
        batch = [broken, good] if stream is Stream.EVENTS else [broken]
        await memory.journal.restore(append_to(stream, Head(), batch, START_NS, None))
    async with Opsboard(memory, clock, CountingIds()) as board:
        await board.projections["event_index"].catch_up()
        assert [e.id for e in (await board.event_queries.search()).events] == [2]
        assert (await board.metrics()).requests_total == 0
        assert (await board.metrics(last="1h")).requests_total == 0
        with pytest.raises(EventNotFound):
            await board.event_queries.get(1)
        checks = await board.health.ready()
        assert checks["event_index"].detail == "0 entries behind the journal, 1 unreadable"
        assert checks["rollups"].detail == "0 entries behind the journal, 1 unreadable"
    assert "samples 1 is left out: 'samples' version 1 is damaged" in caplog.text
    found = [difference async for difference in verify(memory)]
    assert len(found) == 2
    assert found[0].startswith("samples 1: 'samples' version 1 is damaged")


async def test_the_end_writes_what_is_left_and_says_what_could_not_be(
    memory: MemoryStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with Opsboard(memory, clock, CountingIds()) as board:
        observe(board, sample())
    assert len(await entries(memory.journal, Stream.SAMPLES)) == 1
    async with Opsboard(memory, clock, CountingIdsFrom(5)) as board:

        async def fail() -> None:
            raise StoreUnavailable("the disk is gone")

        board.samples.flush = fail  # type: ignore[method-assign]
        assert (await board.metrics()).requests_total == 1
    assert "not everything could be written: the disk is gone" in caplog.text


@pytest.mark.parametrize("error", [StoreUnavailable("no disk"), ZeroDivisionError("a bug")])
async def test_a_background_job_that_fails_is_started_again(
    memory: MemoryStore,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    monkeypatch.setattr("opsboard.application.board.RETRY_SECONDS", 0)
    board = Opsboard(memory, clock, CountingIds())
    projection = board.projections["event_index"]
    run, failures = projection.run, [error]

    async def run_but_fail_once() -> None:
        if failures:
            raise failures.pop()
        await run()

    projection.run = run_but_fail_once  # type: ignore[method-assign]
    async with board:
        recorded = await board.record_event("hi")
        while await projection.lag():
            await asyncio.sleep(0)
    assert "trying again" in caplog.text
    assert [
        event.id async for event, _ in memory.event_index.indexed(after=0, until=recorded.id)
    ] == [recorded.id]


class CountingIdsFrom(CountingIds):
    """The ids of another run."""

    def __init__(self, run: int) -> None:
        super().__init__()
        self.given = run * 1_000_000


async def _one_event(clock: ManualClock) -> Recorded:
    other = MemoryStore(clock)
    async with Opsboard(other, clock, CountingIds()) as board:
        await board.record_event("readable")
    return (await entries(other.journal, Stream.EVENTS))[0]


async def test_a_chart_has_at_most_two_thousand_points(board: Opsboard) -> None:
    queries = board.metrics_queries
    question = queries.question(since="1970-01-02T00:00:00Z", until="2200-01-01T00:00:00Z")
    with pytest.raises(InvalidInput, match=r"step gives 28\d\d points: at most 2000"):
        await board.series_queries.series(question)
