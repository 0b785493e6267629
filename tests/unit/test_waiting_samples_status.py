"""A status code that no HTTP has, as an app may send it, must not cost the others of its batch."""

import pytest
from opsboard.adapters.shipper.samples import WaitingSamples
from opsboard.domain.keyed_samples import key_violations
from opsboard.domain.series_key import SeriesKey


@pytest.mark.parametrize(("said", "counted"), [(-5, 100), (42, 100), (200, 200), (1_000, 999)])
def test_a_status_code_is_brought_within_bounds(said: int, counted: int) -> None:
    waiting = WaitingSamples(lambda: None)
    key = waiting.keys[waiting.series(SeriesKey("shop", "/", "GET", said))]
    assert key.status_code == counted
    assert not key_violations(key)
