"""How long to wait before the next try."""

from collections.abc import Callable

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 10.0
LONGEST_WHERE_MENDING_IS_NEEDED = 60.0
LONGEST_THAT_A_SERVER_MAY_ASK = 300.0


class Pauses:
    """Exponential backoff with jitter: each pause is a half to a whole of twice the last one."""

    def __init__(self, random: Callable[[], float]) -> None:
        """`random` gives numbers in [0, 1)."""
        self._random = random
        self._next = FIRST_SECONDS

    def after_failure(self, at_least: float, needs_mending: bool) -> float:
        """Seconds to wait now; what the server asked for, where that is more."""
        longest = LONGEST_WHERE_MENDING_IS_NEEDED if needs_mending else LONGEST_SECONDS
        whole = min(self._next, longest)
        self._next = min(2 * self._next, LONGEST_WHERE_MENDING_IS_NEEDED)
        asked = min(at_least, LONGEST_THAT_A_SERVER_MAY_ASK)
        return max(asked, whole * (1 + self._random()) / 2)

    def reset(self) -> None:
        """Begin again: a try succeeded."""
        self._next = FIRST_SECONDS
