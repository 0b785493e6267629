"""How many events of each kind: a fold over operational events."""

from collections import Counter

import msgspec

from .event import OperationalEvent


class EventSummary(msgspec.Struct):
    """Counts of events by level, by service and by type."""

    by_level: dict[str, int] = msgspec.field(default_factory=Counter)
    by_service: dict[str, int] = msgspec.field(default_factory=Counter)
    by_type: dict[str, int] = msgspec.field(default_factory=Counter)

    def evolve(self, event: OperationalEvent) -> None:
        """Count one more event."""
        self.add(event.level, event.service, event.type, 1)

    def add(self, level: str, service: str, type: str, count: int) -> None:
        """Count `count` more events of the same level, service and type."""
        for counts, name in (
            (self.by_level, level),
            (self.by_service, service),
            (self.by_type, type),
        ):
            counts[name] = counts.get(name, 0) + count
