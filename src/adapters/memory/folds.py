"""Saved folds as a dictionary."""

from ...application.ports import SavedFold


class MemoryFolds:
    """Folds by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._folds: dict[str, SavedFold] = {}

    async def load(self, name: str) -> SavedFold:
        """See `FoldStore.load`."""
        return self._folds.get(name, SavedFold())

    async def save(self, name: str, fold: SavedFold, expected: int) -> bool:
        """See `FoldStore.save`."""
        if (await self.load(name)).checkpoint != expected:
            return False
        self._folds[name] = fold
        return True

    async def clear(self, name: str) -> None:
        """See `FoldStore.clear`."""
        self._folds.pop(name, None)
