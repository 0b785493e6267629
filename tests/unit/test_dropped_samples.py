"""Samples that can not be kept are counted, said once, and in nobody's way."""

import pytest
from opsboard.adapters.memory import MemoryStore
from opsboard.application.cardinality import SeriesLimit
from opsboard.application.errors import Overloaded
from opsboard.application.record import MAX_BATCH, SampleRecorder
from opsboard.domain.entry import Stream
from opsboard.domain.sample import SampleBatch

from ..fakes import CountingIds, FailingJournal, ManualClock, entries, observe, sample


async def test_a_name_that_nothing_can_store_is_written_out(memory: MemoryStore) -> None:
    samples = SampleRecorder(memory.journal, ManualClock(), CountingIds(), SeriesLimit())
    observe(samples, sample("/\udcff"), sample())
    await samples.flush()
    (recorded,) = await entries(memory.journal, Stream.SAMPLES)
    batch = memory.journal.decode(recorded)
    assert isinstance(batch, SampleBatch)
    assert [each.series.route for each in batch.samples()] == ["/\\udcff", "/cart/{id}"]


async def test_a_batch_that_can_not_be_written_is_set_aside(
    memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FailingJournal(memory.journal)
    journal.error = ZeroDivisionError("nobody knows why")
    samples = SampleRecorder(journal, ManualClock(), CountingIds(), SeriesLimit())
    observe(samples, sample())
    await samples.flush()
    journal.error = None
    observe(samples, sample())
    assert samples.unwritten == 1
    await samples.flush()
    assert (samples.dropped, samples.unwritten) == (1, 0)
    assert len(await entries(memory.journal, Stream.SAMPLES)) == 1
    (said,) = caplog.messages
    assert "can not be written" in said


async def test_the_first_drop_is_said(
    memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FailingJournal(memory.journal)
    journal.error = Overloaded("too much is waiting")
    samples = SampleRecorder(journal, ManualClock(), CountingIds(), SeriesLimit(), limit=1)
    for _ in range(3 * MAX_BATCH):
        observe(samples, sample())
    assert samples.dropped == 3 * MAX_BATCH
    (said,) = caplog.messages
    assert "request samples are dropped" in said
