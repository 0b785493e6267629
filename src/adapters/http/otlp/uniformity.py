"""Whether it is worth to look for what spans have in common."""

MOST_PASSED_OVER = 64


class Uniformity:
    """What was seen of a sender: where its spans were not alike, it is tried ever more rarely."""

    __slots__ = ("_passed_over", "_pause")

    def __init__(self) -> None:
        """Try at once."""
        self._pause = 0
        self._passed_over = 0

    def is_to_be_tried(self) -> bool:
        """Whether to look at the next spans."""
        if self._passed_over < self._pause:
            self._passed_over += 1
            return False
        return True

    def tell(self, *, were_alike: bool) -> None:
        """What came of it."""
        self._passed_over = 0
        self._pause = 0 if were_alike else min(2 * self._pause + 1, MOST_PASSED_OVER)
