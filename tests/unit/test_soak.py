from dataclasses import replace

import pytest
from benchmarks.soak import Reading, judged

CALM = Reading(
    minute=0,
    resident_mib=100,
    files=60,
    threads=12,
    wal_mib=6,
    store_mib=1,
    requests=6_000,
    p99_ms=10,
    p99_of_writes_ms=8,
)


def readings(**at_the_end: float) -> list[Reading]:
    """Nine, the last three of them with these."""
    return [CALM] * 6 + [replace(CALM, **at_the_end)] * 3  # type: ignore[arg-type]


def test_what_stays_as_it_is_reaches_every_bar() -> None:
    assert all(bar.reached for bar in judged(readings()))


@pytest.mark.parametrize(
    ("grown", "missed"),
    [
        ({"resident_mib": 106}, "memory"),
        ({"files": 65}, "file handles"),
        ({"threads": 13}, "threads"),
        ({"wal_mib": 73}, "write-ahead log"),
        ({"p99_of_writes_ms": 17}, "p99 of writes"),
    ],
)
def test_what_grows_misses_its_own(grown: dict[str, float], missed: str) -> None:
    (bar,) = [bar for bar in judged(readings(**grown)) if not bar.reached]
    assert bar.claim.startswith(missed)


def test_what_fills_up_in_the_first_third_may() -> None:
    assert all(bar.reached for bar in judged([replace(CALM, resident_mib=50)] * 3 + readings()[:6]))


def test_one_minute_of_the_machine_is_no_growth() -> None:
    assert all(bar.reached for bar in judged([*readings()[:8], replace(CALM, p99_of_writes_ms=99)]))
