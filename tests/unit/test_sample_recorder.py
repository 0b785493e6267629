import asyncio
from collections.abc import Sequence

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.cardinality import SeriesLimit
from opsboard.application.errors import Overloaded, StoreUnavailable
from opsboard.application.ports import Appended
from opsboard.application.record import MAX_BATCH, MAX_BATCHES_AT_ONCE, SampleRecorder
from opsboard.domain.entry import Entry, IdempotencyKey, Stream
from opsboard.domain.sample import SampleBatch

from ..fakes import CountingIds, FailingJournal, ManualClock, entries, observe, sample


@pytest.fixture
def journal(memory: MemoryStore) -> FailingJournal:
    return FailingJournal(memory.journal)


@pytest.fixture
def samples(journal: FailingJournal, clock: ManualClock) -> SampleRecorder:
    return SampleRecorder(journal, clock, CountingIds(), SeriesLimit())


async def kept(journal: FailingJournal) -> list[int]:
    """How many samples each entry holds."""
    recorded = await entries(journal, Stream.SAMPLES)
    batches = map(journal.decode, recorded)
    return [len(batch) for batch in batches if isinstance(batch, SampleBatch)]


async def test_a_flush_appends_what_was_observed_as_one_entry(
    samples: SampleRecorder, journal: FailingJournal
) -> None:
    await samples.flush()
    assert await kept(journal) == []
    for _ in range(3):
        observe(samples, sample())
    await samples.flush()
    await samples.flush()
    assert await kept(journal) == [3]


async def test_a_full_batch_is_cut(samples: SampleRecorder, journal: FailingJournal) -> None:
    for _ in range(MAX_BATCH + 1):
        observe(samples, sample())
    await samples.flush()
    assert await kept(journal) == [MAX_BATCH, 1]


@pytest.mark.parametrize("recorded_nevertheless", [False, True])
async def test_a_batch_that_failed_is_tried_again_and_counts_once(
    samples: SampleRecorder, journal: FailingJournal, recorded_nevertheless: bool
) -> None:
    journal.error = StoreUnavailable("the disk is full")
    journal.after_appending = recorded_nevertheless
    observe(samples, sample())
    with pytest.raises(StoreUnavailable):
        await samples.flush()
    observe(samples, sample())
    observe(samples, sample())
    journal.error = None
    await samples.flush()
    assert await kept(journal) == [1, 2]
    assert samples.dropped == 0


def observe_batches(samples: SampleRecorder, count: int) -> None:
    for _ in range(count * MAX_BATCH):
        observe(samples, sample())


async def keys(journal: FailingJournal) -> list[str | None]:
    return [recorded.key for recorded in await entries(journal, Stream.SAMPLES)]


async def test_batches_that_wait_are_appended_together_up_to_a_bound(
    samples: SampleRecorder, journal: FailingJournal
) -> None:
    observe_batches(samples, MAX_BATCHES_AT_ONCE + 1)
    await samples.flush()
    assert await kept(journal) == [MAX_BATCH] * (MAX_BATCHES_AT_ONCE + 1)
    first, *rest, last = await keys(journal)
    assert rest == [first] * (MAX_BATCHES_AT_ONCE - 1)
    assert last not in {first, None}


async def test_what_was_tried_together_stays_together_and_counts_once(
    samples: SampleRecorder, journal: FailingJournal
) -> None:
    journal.error = StoreUnavailable("the disk is full")
    journal.after_appending = True
    observe_batches(samples, 2)
    with pytest.raises(StoreUnavailable):
        await samples.flush()
    observe_batches(samples, 1)
    journal.error = None
    await samples.flush()
    assert await kept(journal) == [MAX_BATCH] * 3
    first, second, third = await keys(journal)
    assert first == second != third
    assert (samples.dropped, samples.unwritten) == (0, 0)


async def test_a_batch_that_can_not_be_written_takes_no_other_with_it(
    samples: SampleRecorder, journal: FailingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = journal.append

    async def refuse_long_ones(
        stream: Stream, batches: Sequence[Entry], key: IdempotencyKey | None = None
    ) -> Appended:
        for batch in batches:
            if isinstance(batch, SampleBatch) and batch.latency_ns.max() == 666:
                raise ZeroDivisionError("nobody knows why")
        return await append(stream, batches, key)

    monkeypatch.setattr(journal, "append", refuse_long_ones)
    observe_batches(samples, 1)
    number = samples.series(sample().series)
    samples.observe(number, 666, sample().ended_at)
    for _ in range(MAX_BATCH - 1):
        samples.observe(number, 1, sample().ended_at)
    observe(samples, sample(), sample())
    await samples.flush()
    assert await kept(journal) == [MAX_BATCH, 2]
    assert (samples.dropped, samples.unwritten) == (MAX_BATCH, 0)


async def test_beyond_the_bound_samples_are_dropped_and_counted(
    journal: FailingJournal, clock: ManualClock
) -> None:
    samples = SampleRecorder(journal, clock, CountingIds(), SeriesLimit(), limit=MAX_BATCH + 1)
    journal.error = Overloaded("too much is waiting")
    for _ in range(3 * MAX_BATCH):
        observe(samples, sample())
    assert samples.dropped == 2 * MAX_BATCH
    journal.error = None
    await samples.flush()
    assert await kept(journal) == [MAX_BATCH]


async def test_run_waits_until_there_is_much_to_append(
    samples: SampleRecorder, journal: FailingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsboard.application.record.FLUSH_EVERY_SECONDS", 3_600)
    running = asyncio.create_task(samples.run())
    observe_batches(samples, MAX_BATCHES_AT_ONCE - 1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert await kept(journal) == []
    observe_batches(samples, 1)
    while samples.unwritten:
        await asyncio.sleep(0)
    assert await kept(journal) == [MAX_BATCH] * MAX_BATCHES_AT_ONCE
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_run_flushes_from_time_to_time_and_goes_on_after_a_failure(
    samples: SampleRecorder,
    journal: FailingJournal,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("opsboard.application.record.FLUSH_EVERY_SECONDS", 0)
    journal.error = StoreUnavailable("the disk is full")
    running = asyncio.create_task(samples.run())
    observe(samples, sample())
    while journal.failed < 3:
        await asyncio.sleep(0)
    journal.error = None
    for _ in range(MAX_BATCH):
        observe(samples, sample())
    while sum(await kept(journal)) < MAX_BATCH + 1:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert caplog.messages == ["samples wait for the journal: the disk is full"]
