"""`opsboard serve` over a journal that keeps nothing: what the route costs without its store."""

from collections.abc import Sequence

from dependency_injector import providers
from opsboard.adapters.memory import MemoryStore
from opsboard.adapters.memory.journal import MemoryJournal
from opsboard.application.ports import Appended, Clock
from opsboard.domain.entry import Entry, IdempotencyKey, Stream
from opsboard.entrypoints.cli import main
from opsboard.entrypoints.container import Container


class ForgetfulJournal(MemoryJournal):
    """Numbers entries at once, and forgets them."""

    def __init__(self, clock: Clock) -> None:
        """Start at number 1."""
        super().__init__(clock)
        self._number = 0

    async def append(
        self,
        stream: Stream,  # noqa: ARG002
        entries: Sequence[Entry],
        key: IdempotencyKey | None = None,  # noqa: ARG002
    ) -> Appended:
        """Record nothing."""
        first = self._number + 1
        self._number += len(entries)
        return Appended(range(first, self._number + 1))


class ForgetfulStore(MemoryStore):
    """A memory store that stays empty."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        super().__init__(clock)
        self.journal = ForgetfulJournal(clock)


if __name__ == "__main__":
    Container.store.override(providers.Singleton(ForgetfulStore, Container.clock))
    main()
