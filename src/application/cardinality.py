"""A bound on how many series a service may have: one raw path in a route must not fill the disk."""

from collections import Counter
from collections.abc import Callable

from ..domain.series_key import OTHER_ROUTE, SeriesKey

DEFAULT_MAX_SERIES = 20_000


class SeriesLimit:
    """Admits at most `limit` series a service; the rest count as the route `(other)`.

    `refused` counts, by service, how often a series was not admitted. `on_exceeded` is told the
    service, once.
    """

    def __init__(
        self,
        limit: int = DEFAULT_MAX_SERIES,
        on_exceeded: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nothing is admitted yet."""
        self.limit = limit
        self.on_exceeded = on_exceeded
        self.refused: Counter[str] = Counter()
        self._admitted: set[SeriesKey] = set()
        self._of_service: Counter[str] = Counter()

    def learn(self, key: SeriesKey) -> None:
        """Admit a series that is known already, whatever the limit."""
        if key not in self._admitted:
            self._admitted.add(key)
            self._of_service[key.service] += key.route != OTHER_ROUTE

    def admit(self, key: SeriesKey) -> SeriesKey:
        """The series itself, or the one that stands for those beyond the limit."""
        if key in self._admitted:
            return key
        if key.route == OTHER_ROUTE or self._of_service[key.service] < self.limit:
            self.learn(key)
            return key
        self.refused[key.service] += 1
        if self.refused[key.service] == 1:
            self.on_exceeded(key.service)
        return SeriesKey(key.service, OTHER_ROUTE, key.method, key.status_code)
