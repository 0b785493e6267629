"""Numbers in sentences."""

from opsboard.domain.words_for_numbers import milliseconds, percent, signed_percent


def test_percentages_are_short_and_never_in_powers_of_ten() -> None:
    said = [percent(share) for share in (None, 0, 0.00000123, 0.00123, 0.0456, 0.456, 1.0)]
    assert said == ["0 %", "0 %", "under 0.001 %", "0.12 %", "4.6 %", "46 %", "100 %"]
    assert [signed_percent(c) for c in (0.381, -0.2, 12.5, float("inf"))] == [
        "+38 %",
        "-20 %",
        "+1250 %",
        "up from 0",
    ]
    said = [milliseconds(ms) for ms in (0.0213, 3.456, 12.5, 1250.4)]
    assert said == ["0.021 ms", "3.5 ms", "12 ms", "1250 ms"]
