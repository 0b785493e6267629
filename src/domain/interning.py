"""Series by number, as they are observed one by one: a sample is then three small integers."""

from collections.abc import Callable, Sequence

import numpy as np

from .sample import Endpoint, Ints, Label, SampleBatch, SeriesKey

_MOST = 2
_DENSE, _DENSE_TIMES = 1 << 16, 4


class InternedSeries:
    """Gives each series a number, and turns columns of numbers into a batch."""

    def __init__(self) -> None:
        """Know no series yet."""
        self._numbers: dict[tuple[str, str, str, int], int] = {}
        self.find: Callable[[tuple[str, str, str, int]], int | None] = self._numbers.get
        """The number of a series by its key; None where it has none yet."""
        self._endpoints: dict[Endpoint, int] = {}
        self._methods: dict[str, int] = {}
        self._status_codes: dict[int, int] = {}
        self._places: list[tuple[int, int, int]] = []
        self._columns = np.empty((3, 0), np.int64)
        self._labels: tuple[list[Endpoint], list[str], list[int]] = ([], [], [])

    def number(self, key: SeriesKey) -> int:
        """The number of a series, a new one where it has none yet."""
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._places)
            endpoint = Endpoint(key.service, key.route)
            self._places.append(
                (
                    self._endpoints.setdefault(endpoint, len(self._endpoints)),
                    self._methods.setdefault(key.method, len(self._methods)),
                    self._status_codes.setdefault(key.status_code, len(self._status_codes)),
                )
            )
        return found

    def batch(self, numbers: Ints, latency_ns: Ints, ended_at_ms: Ints) -> SampleBatch:
        """The batch of samples whose series have these numbers."""
        if self._columns.shape[1] < len(self._places):
            self._columns = np.array(self._places, np.int64).T.copy()
            self._labels = list(self._endpoints), list(self._methods), list(self._status_codes)
        endpoint, method, status = self._columns.take(numbers, axis=1)
        endpoints, endpoint = _compacted(self._labels[0], endpoint)
        methods, method = _compacted(self._labels[1], method)
        status_codes, status = _compacted(self._labels[2], status)
        return SampleBatch(
            endpoints=endpoints,
            methods=methods,
            status_codes=status_codes,
            endpoint=endpoint,
            method=method,
            status=status,
            latency_ns=latency_ns,
            ended_at_ms=ended_at_ms,
        )


def _compacted(labels: Sequence[Label], column: Ints) -> tuple[Sequence[Label], Ints]:
    """The labels that the column points at, and the column pointing at those.

    Where most are pointed at anyway, all stay: batches with the same labels are read faster.
    """
    present = np.flatnonzero(np.bincount(column) > 0)
    if len(present) * _MOST >= len(labels):
        return labels, column
    place = np.zeros(len(labels), np.int64)
    place[present] = np.arange(len(present))
    return [labels[at] for at in present.tolist()], place[column]


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """The distinct numbers (zero or more), ascending, and the place of each one among them."""
    counts_needed = int(numbers.max()) + 1
    if counts_needed > _DENSE + _DENSE_TIMES * len(numbers):
        return np.unique(numbers, return_inverse=True)
    present = np.flatnonzero(np.bincount(numbers) > 0)
    place = np.zeros(counts_needed, np.int64)
    place[present] = np.arange(len(present))
    return present, place[numbers]
