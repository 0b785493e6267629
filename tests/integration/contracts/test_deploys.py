"""Deploys and the requests around them, on every store."""

import pytest
from opsboard.application.board import Opsboard
from opsboard.application.ports import Store
from opsboard.application.query_deploys import Deploy
from opsboard.domain.deploy import State
from opsboard.domain.instant import format_instant
from opsboard.domain.validation import InvalidInput

from ...fakes import SECOND_NS, START_NS, CountingIds, ManualClock, sample

MINUTE_NS = 60 * SECOND_NS


@pytest.fixture
async def board(store: Store, clock: ManualClock) -> Opsboard:
    made = Opsboard(store, clock, CountingIds())
    await made.rollups.start()
    return made


async def requests(
    board: Opsboard, start_ns: int, count: int, *, ms: float = 100, service: str = "shop"
) -> None:
    """One a second, of which one in a hundred fails."""
    await board.record_samples(
        [
            sample(
                status=503 if i % 100 == 50 else 200,
                ms=ms + i % 7,
                service=service,
                ended_at=start_ns + i * SECOND_NS,
            )
            for i in range(count)
        ]
    )


async def deploy(board: Opsboard, service: str = "shop") -> int:
    recorded = await board.record_event(f"new {service}", type="DEPLOY", service=service)
    return recorded.id


def counts(found: Deploy) -> tuple[int, int, int, int]:
    before, after = found.before, found.after
    return before.count, before.errors, after.count, after.errors


@pytest.mark.parametrize("saved", [True, False])
async def test_a_deploy_has_the_requests_around_it(
    board: Opsboard, clock: ManualClock, saved: bool
) -> None:
    clock.advance(500_000_000)
    await requests(board, START_NS - 40 * 60 * SECOND_NS, 2400)
    await requests(board, START_NS - 40 * 60 * SECOND_NS, 100, service="other")
    id = await deploy(board)
    await board.record_event("not a deploy", service="shop")
    await requests(board, START_NS, 2400, ms=200)
    clock.advance(45 * MINUTE_NS)
    if saved:
        await board.rollups.catch_up()
        await board.rollups.save()
    (found,) = await board.deploys.deploys()
    assert found.event.id == id
    at = format_instant(START_NS + 500_000_000)
    assert (found.before.since, found.before.until) == (
        format_instant(START_NS - 29 * MINUTE_NS),
        at,
    )
    assert (found.after.since, found.after.until) == (
        at,
        format_instant(START_NS + 30 * MINUTE_NS),
    )
    # The request that ended at 09:00:00.000 came before the deploy half a second later.
    assert counts(found) == (29 * 60 + 1, 17, 30 * 60 - 1, 18)
    assert found.verdict.state is State.WORSE
    assert found.verdict.verdict == "p95 +94 %, slower on GET /cart/{id}"
    assert sum(found.latency.before) == found.before.count
    assert sum(found.latency.after) == found.after.count


async def test_neighbours_of_the_same_service_cut_it(board: Opsboard, clock: ManualClock) -> None:
    await requests(board, START_NS - 30 * MINUTE_NS, 90 * 60)
    first = await deploy(board)
    clock.advance(5 * MINUTE_NS)
    await deploy(board, "other")
    clock.advance(5 * MINUTE_NS)
    second = await deploy(board)
    clock.advance(12 * MINUTE_NS)
    newest, other, oldest = await board.deploys.deploys()
    assert (newest.event.id, oldest.event.id) == (second, first)
    assert counts(oldest)[::2] == (30 * 60, 10 * 60)
    # Up to now, the present ms included.
    assert counts(newest)[::2] == (10 * 60, 12 * 60 + 1)
    assert counts(other) == (0, 0, 0, 0)
    assert other.verdict.state is State.TOO_FEW
    assert oldest.verdict.state is newest.verdict.state is State.SAME


async def test_which_deploys_and_how_much_around_them(board: Opsboard, clock: ManualClock) -> None:
    await requests(board, START_NS - 30 * MINUTE_NS, 90 * 60)
    ids = []
    for service in ("shop", "other", "shop"):
        ids.append(await deploy(board, service))
        clock.advance(20 * MINUTE_NS)

    async def found(**asked: str) -> list[int]:
        return [each.event.id for each in await board.deploys.deploys(**asked)]  # type: ignore[arg-type]

    assert await found() == ids[::-1]
    assert [d.event.id for d in await board.deploys.deploys(limit=1)] == [ids[2]]
    assert await found(service="shop") == [ids[2], ids[0]]
    assert await found(last="30m") == [ids[2]]
    assert await found(until=format_instant(START_NS + MINUTE_NS)) == [ids[0]]
    assert await found(since=format_instant(START_NS + MINUTE_NS)) == [ids[2], ids[1]]
    (short,) = await board.deploys.deploys(service="shop", limit=1, window="5m")
    assert counts(short)[::2] == (300, 300)
    refused: list[tuple[str, dict[str, str]]] = [
        ("window", {"window": "59s"}),
        ("window", {"window": "25h"}),
        ("last", {"last": "1h", "since": format_instant(START_NS)}),
        ("limit", {"limit": 51}),  # type: ignore[dict-item]
    ]
    for named, asked in refused:
        with pytest.raises(InvalidInput) as error:
            await board.deploys.deploys(**asked)  # type: ignore[arg-type]
        assert error.value.violations[0].pointer == named
