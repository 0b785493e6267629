import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.interning import InternedSeries
from opsboard.domain.sample import RequestSample, SampleBatch, SeriesKey

NAMES = st.sampled_from(["a", "b", "c", ""])
KEYS = st.builds(SeriesKey, NAMES, NAMES, NAMES, st.integers(100, 104))
SAMPLES = st.lists(st.builds(RequestSample, KEYS, st.integers(0, 9), st.integers(0, 9)))


@given(st.lists(SAMPLES, max_size=4))
def test_what_was_observed_by_number_is_the_batch_of_the_samples(
    observed: list[list[RequestSample]],
) -> None:
    interned = InternedSeries()
    for samples in observed:
        numbers = [interned.number(sample.series) for sample in samples]
        batch = interned.batch(
            np.array(numbers, np.int64),
            np.array([sample.latency_ns for sample in samples], np.int64),
            np.array([sample.ended_at for sample in samples], np.int64) // 1_000_000,
        )
        assert batch == SampleBatch.of(samples)


@given(st.lists(KEYS))
def test_a_series_keeps_its_number(keys: list[SeriesKey]) -> None:
    interned = InternedSeries()
    first = {key: interned.number(key) for key in keys}
    assert sorted(first.values()) == list(range(len(set(keys))))
    assert all(interned.number(key) == interned.find(key) == first[key] for key in keys)
    assert interned.find(SeriesKey("unheard", "/", "GET", 200)) is None


def test_a_batch_carries_only_the_labels_that_its_samples_have() -> None:
    interned = InternedSeries()
    numbers = [interned.number(SeriesKey("s", f"/{n}", "GET", 200 + n)) for n in range(50)]
    ones = np.ones(2, np.int64)
    batch = interned.batch(np.array([numbers[7], numbers[40]]), ones, ones)
    assert [endpoint.route for endpoint in batch.endpoints] == ["/7", "/40"]
    assert batch.status_codes == [207, 240]
    assert batch.methods == ["GET"]
