import pytest
from opsboard.domain.retention import DAY_NS, DEFAULT_RETENTION, Retention
from opsboard.domain.validation import InvalidInput


def test_ages_are_read_as_they_are_written() -> None:
    text = "raw=3d,minutes=10d,hours=forever,events=30d"
    retention = Retention.parse(text)
    assert retention == Retention(3 * DAY_NS, 10 * DAY_NS, None, 30 * DAY_NS)
    assert str(retention) == text


def test_what_is_left_out_has_its_default() -> None:
    assert Retention.parse("raw=1d") == Retention(raw=DAY_NS)
    assert str(DEFAULT_RETENTION) == "raw=7d,minutes=30d,hours=400d,events=400d"


def test_everything_can_be_kept() -> None:
    assert str(Retention.parse("forever")) == "forever"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("raw=1h", "raw must be at least 1d"),
        ("events=23h", "events must be at least 1d"),
        ("raw=30d", "minutes must be at least a day longer than raw"),
        ("raw=forever", "minutes must be at least a day longer than raw"),
        ("hours=30d", "hours must be at least a day longer than minutes"),
        ("raw=7", "raw must be a whole number and a unit"),
        ("raw=7d,raw=8d", "raw=8d must be"),
        ("weeks=7d", "weeks=7d must be"),
        ("raw=7d,", "it must be"),
        ("7d", "7d must be"),
        ("raw=99999d", "raw must be at most"),
    ],
)
def test_what_can_not_be_kept_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        Retention.parse(text)
