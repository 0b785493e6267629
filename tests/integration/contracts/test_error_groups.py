"""Saved folds, and the error groups that are kept in them, on every store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from opsboard.adapters.sqlite import SqliteStore
from opsboard.application.board import Opsboard
from opsboard.application.errors import ErrorGroupNotFound
from opsboard.application.ports import SavedFold, Store
from opsboard.application.project_errors import GROUPS, SETTLED, ErrorProjection, decode_groups
from opsboard.application.rebuild import rebuild
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream
from opsboard.domain.error_group import ErrorGroup, State
from opsboard.domain.retention import DAY_NS, Retention
from opsboard.domain.validation import InvalidInput

from ...fakes import SECOND_NS, CountingIds, ManualClock
from ...patience import patiently

KEPT = Retention(events=2 * DAY_NS)


def board_over(store: Store, clock: ManualClock) -> Opsboard:
    return Opsboard(store, clock, CountingIds(), retention=KEPT)


@pytest.fixture
def board(store: Store, clock: ManualClock) -> Opsboard:
    """Over the open store, without its background work."""
    return board_over(store, clock)


async def fail(board: Opsboard, kind: str = "KeyError", **meta: Any) -> int:
    """Record an exception of this kind; its id."""
    recorded = await board.record_event(
        f"{kind} raised",
        level="ERROR",
        service="shop",
        meta={"exception.type": kind, "http.route": "/cart/{id}", **meta},
    )
    return recorded.id


async def settle(board: Opsboard) -> None:
    for projection in board.projections.values():
        await projection.catch_up()
        await projection.save()


async def all_groups(board: Opsboard) -> list[ErrorGroup]:
    return (await board.error_groups.search(limit=500)).groups


async def faults(store: Store) -> list[str]:
    return [fault async for fault in verify(store)]


async def test_a_fold_is_given_back_as_it_was_saved(store: Store) -> None:
    folds = store.folds
    assert await folds.load("some") == SavedFold(0, b"")
    assert await folds.save("some", SavedFold(3, b"three" * 1_000), expected=0)
    assert await folds.save("other", SavedFold(1, bytes(range(256))), expected=0)
    assert await folds.load("some") == SavedFold(3, b"three" * 1_000)
    assert await folds.save("some", SavedFold(5, b""), expected=3)
    assert await folds.load("some") == SavedFold(5, b"")
    await folds.clear("some")
    assert await folds.load("some") == SavedFold(0, b"")
    assert await folds.load("other") == SavedFold(1, bytes(range(256)))


async def test_the_checkpoint_guards_a_fold(store: Store) -> None:
    folds = store.folds
    assert not await folds.save("some", SavedFold(3, b"a"), expected=2)
    assert await folds.save("some", SavedFold(3, b"a"), expected=0)
    assert not await folds.save("some", SavedFold(4, b"b"), expected=0)
    assert await folds.load("some") == SavedFold(3, b"a")
    outcomes = await asyncio.gather(
        *(folds.save("some", SavedFold(4, b"%d" % n), expected=3) for n in range(8))
    )
    assert sum(outcomes) == 1


async def test_an_occurrence_counts_once_it_is_recorded(board: Opsboard) -> None:
    for n in range(1, 4):
        id = await fail(board)
        (group,) = await all_groups(board)
        assert (group.count, group.newest) == (n, id)
        sample = await board.error_groups.sample(group)
        assert sample is not None
        assert sample.id == id


async def test_pages_hold_every_group_once_the_last_seen_first(board: Opsboard) -> None:
    for kind in "ABCDEFGA":
        await fail(board, kind)
    found, before = "", None
    while True:
        page = await board.error_groups.search(limit=3, before=before)
        found += "".join(group.type for group in page.groups)
        before = page.before
        if before is None:
            break
    assert found == "AGFEDCB"
    with pytest.raises(InvalidInput, match="limit must be 1-500"):
        await board.error_groups.search(limit=501)


async def test_to_resolve_is_an_event(board: Opsboard, store: Store) -> None:
    await fail(board)
    (group,) = await all_groups(board)
    triage = board.error_groups
    both = await asyncio.gather(
        *(triage.resolve(group.fingerprint, by="ada", note=f"try {n}") for n in range(5))
    )
    assert {each.state for each in both} == {State.RESOLVED}
    assert (await store.journal.head(Stream.EVENTS)).number == 2
    said = (await board.event_queries.get(2)).event
    assert (said.type, said.service) == ("ERROR_RESOLVED", "shop")
    assert said.message == "Resolved KeyError: KeyError raised"
    assert said.meta["fingerprint"] == group.fingerprint
    assert said.meta["by"] == "ada"
    await fail(board)
    assert (await triage.get(group.fingerprint)).state is State.REOPENED
    await triage.resolve(group.fingerprint)
    for _ in range(2):
        assert (await triage.reopen(group.fingerprint, by="bob")).state is State.REOPENED
    assert (await store.journal.head(Stream.EVENTS)).number == 5


@pytest.mark.parametrize("name", ["unknown", "(other)", "", "\0", "a" * 9_999])
async def test_what_no_group_is_called_is_not_found(board: Opsboard, name: str) -> None:
    await fail(board)
    for ask in (board.error_groups.get, board.error_groups.resolve, board.error_groups.reopen):
        with pytest.raises(ErrorGroupNotFound):
            await ask(name)


async def test_what_is_said_has_its_bounds(board: Opsboard) -> None:
    await fail(board)
    (group,) = await all_groups(board)
    with pytest.raises(InvalidInput) as refused:
        await board.error_groups.resolve(group.fingerprint, by="a" * 81, note="a" * 501)
    assert [v.pointer for v in refused.value.violations] == ["/by", "/note"]


async def test_a_board_goes_on_from_what_is_saved(store: Store, clock: ManualClock) -> None:
    for n in range(1, 4):
        board = board_over(store, clock)
        await board.errors.start()
        assert (board.errors.checkpoint, await board.errors.lag()) == (n - 1, 0)
        await fail(board)
        assert await board.errors.lag() == 1
        assert [group.count for group in await all_groups(board)] == [n]
        await settle(board)
    assert await faults(store) == []


async def test_two_boards_save_what_either_folded(store: Store, clock: ManualClock) -> None:
    one, two = board_over(store, clock), board_over(store, clock)
    for n in range(1, 6):
        for board in (one, two):
            await fail(board)
            await board.errors.catch_up()
        for board in (two, one):
            await board.errors.save()
        assert await all_groups(one) == await all_groups(two)
        assert (await store.folds.load(GROUPS)).checkpoint == 2 * n
    await settle(one)
    assert await faults(store) == []


async def lived(board: Opsboard, clock: ManualClock, days: int) -> None:
    """Two errors a day of one kind, one a day of its own kind, one resolved; with retention."""
    for day in range(days):
        for kind in ("KeyError", "KeyError", f"Error{day}"):
            await fail(board, kind)
        if day == 1:
            newest = (await all_groups(board))[0]
            await board.error_groups.resolve(newest.fingerprint, by="ada")
        await settle(board)
        clock.advance(DAY_NS)
        while await board.retainer.remove_due():
            pass


async def test_counts_and_states_outlive_the_events(
    board: Opsboard, store: Store, clock: ManualClock
) -> None:
    await lived(board, clock, 6)
    assert (await store.journal.cut(Stream.EVENTS)).number > 9
    groups = {group.type: group for group in await all_groups(board)}
    assert groups["KeyError"].count == 12
    assert groups["Error1"].state is State.RESOLVED
    assert len(groups) == 7
    assert await board.error_groups.sample(groups["Error0"]) is None
    assert await board.error_groups.sample(groups["Error5"]) is not None
    assert await faults(store) == []
    async for _ in rebuild(store, clock):
        pass
    assert await faults(store) == []
    again = board_over(store, clock)
    await again.errors.start()
    assert {group.type: group for group in await all_groups(again)} == groups


async def test_what_is_saved_behind_the_cut_is_not_what_is_taken_up(
    board: Opsboard, store: Store, clock: ManualClock
) -> None:
    """As after a crash: events went since the groups were last saved."""
    await lived(board, clock, 1)
    saved = await store.folds.load(GROUPS)
    await lived(board, clock, 5)
    groups = await all_groups(board)
    await store.folds.clear(GROUPS)
    assert await store.folds.save(GROUPS, saved, expected=0)
    again = board_over(store, clock)
    await again.errors.start()
    assert await all_groups(again) == groups


@pytest.mark.parametrize("state", [b"\xff", b"", b"\x92\x00\x93\x80\xc0\x00"])
async def test_what_is_damaged_or_of_another_version_is_told_and_folded_anew(
    board: Opsboard, store: Store, clock: ManualClock, state: bytes
) -> None:
    await lived(board, clock, 5)
    groups = await all_groups(board)
    checkpoint = (await store.folds.load(GROUPS)).checkpoint
    await store.folds.clear(GROUPS)
    await store.folds.save(GROUPS, SavedFold(checkpoint, state), expected=0)
    assert await faults(store) == [
        "error groups: what is saved as error_groups is damaged or of another version"
    ]
    again = board_over(store, clock)
    await again.errors.start()
    assert await all_groups(again) == groups
    await fail(again)
    await settle(again)
    assert await faults(store) == []


async def test_a_group_that_is_not_what_the_journal_says_is_named(
    board: Opsboard, store: Store
) -> None:
    await fail(board)
    await fail(board, "TypeError")
    await board.errors.catch_up()
    first, second = board.errors.groups.groups.values()
    first.count += 1
    second.state = State.RESOLVED
    await settle(board)
    assert await faults(store) == [
        f"error groups: {name} is not what the journal folds to"
        for name in sorted([first.fingerprint, second.fingerprint])
    ]


async def test_a_journal_cut_by_who_knows_no_errors_loses_no_count_that_is_saved(
    board: Opsboard, store: Store
) -> None:
    for _ in range(4):
        await fail(board)
    await settle(board)
    await store.journal.trim(Stream.EVENTS, 3)
    await store.event_index.trim(3)
    assert await board.errors.settle(3, 4) == 4
    settled = decode_groups(await store.folds.load(SETTLED))
    assert settled is not None
    assert [group.count for group in settled.groups.values()] == [4]
    assert await faults(store) == []


async def test_a_running_board_keeps_up_and_saves_at_its_end(
    store: Store, clock: ManualClock
) -> None:
    board = board_over(store, clock)
    running = asyncio.create_task(board.errors.run())
    for n in range(1, 4):
        await fail(board)
        clock.advance(11 * SECOND_NS)
        async with patiently():
            while (await store.folds.load(GROUPS)).checkpoint < n:
                await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert isinstance(board.projections["error_groups"], ErrorProjection)


async def test_a_flipped_bit_in_the_file_is_found(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "ops.db"
    async with SqliteStore(path, clock).opened() as store:
        board = board_over(store, clock)
        await fail(board)
        await settle(board)
        groups = await all_groups(board)
    content = path.read_bytes()
    at = content.rindex(b"OPSF") + 20
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    async with SqliteStore(path, clock).opened() as store:
        assert (await store.folds.load(GROUPS)).state is None
        again = board_over(store, clock)
        await again.errors.start()
        assert await all_groups(again) == groups
