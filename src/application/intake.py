"""What came in over OpenTelemetry's protocol, and what became of it."""

from collections import Counter
from collections.abc import Mapping

KEPT = "kept"
RESENT = "resent"
NOT_KEPT = "not kept"
REJECTED = "rejected"


class Intake:
    """Counts, since the start, what each signal brought: a thing that is not kept is counted."""

    def __init__(self) -> None:
        """Nothing came in yet."""
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, what: str, outcome: str, times: int) -> None:
        """Count what came (`spans`, `log records`), and what became of it."""
        if times:
            self._counts[what, outcome] += times

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """By what came and what became of it."""
        return self._counts

    def __str__(self) -> str:
        """In words, `spans: 3 kept, 1 not kept; log records: 2 kept`."""
        said: dict[str, list[str]] = {}
        for (what, outcome), times in sorted(self._counts.items()):
            said.setdefault(what, []).append(f"{times} {outcome}")
        parts = (f"{what}: {', '.join(outcomes)}" for what, outcomes in said.items())
        return "; ".join(parts) or "nothing came"
