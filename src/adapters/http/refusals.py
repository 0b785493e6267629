"""Counts what is refused for want of room: nothing that was sent and not kept goes uncounted."""

from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus

_REFUSED = int(HTTPStatus.SERVICE_UNAVAILABLE)


class Refusals:
    """Counts the answers that ask to come again later: 503 with `Retry-After`."""

    def __init__(self, counts: Counter[str]) -> None:
        """Count in `counts`, by status code."""
        self._counts = counts

    def note(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Count the answer with this head, if it is one."""
        if status == _REFUSED and any(name == b"retry-after" for name, _ in headers):
            self._counts[str(_REFUSED)] += 1
