"""What any FoldStore must do; runs unchanged on every store."""

from opsboard.application.ports import SavedFold, Store


async def test_a_fold_is_saved_under_its_name(store: Store) -> None:
    assert await store.folds.load("a") is None
    assert await store.folds.save("a", SavedFold(3, b"state"), expected=0)
    assert await store.folds.load("a") == SavedFold(3, b"state")
    assert await store.folds.load("b") is None


async def test_the_old_checkpoint_guards_it(store: Store) -> None:
    assert not await store.folds.save("a", SavedFold(3, b"state"), expected=2)
    assert await store.folds.save("a", SavedFold(3, b"three"), expected=0)
    assert not await store.folds.save("a", SavedFold(4, b"four"), expected=0)
    assert not await store.folds.save("a", SavedFold(4, b"four"), expected=2)
    assert await store.folds.save("a", SavedFold(5, b"five"), expected=3)
    assert await store.folds.load("a") == SavedFold(5, b"five")


async def test_a_dropped_fold_is_gone(store: Store) -> None:
    await store.folds.save("a", SavedFold(3, b"state"), expected=0)
    await store.folds.drop("a")
    await store.folds.drop("a")
    assert await store.folds.load("a") is None
    assert await store.folds.save("a", SavedFold(1, b"new"), expected=0)
