"""Request samples: one served HTTP request each, and the batches in which they travel."""

from collections.abc import Hashable, Iterable, Sequence
from itertools import groupby
from typing import Any, Self, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from .instant import NS_PER_MS
from .series_key import (
    KNOWN_METHODS,
    MAX_LATENCY_NS,
    OTHER_METHOD,
    OTHER_ROUTE,
    UNMATCHED_ROUTE,
    Endpoint,
    SeriesKey,
)

__all__ = [
    "KNOWN_METHODS",
    "MAX_AHEAD_MS",
    "MAX_LATENCY_NS",
    "OTHER_METHOD",
    "OTHER_ROUTE",
    "UNMATCHED_ROUTE",
    "Endpoint",
    "Ints",
    "Label",
    "RequestSample",
    "SampleBatch",
    "SampleRows",
    "SeriesKey",
    "columns_of_rows",
    "interned",
]

MAX_AHEAD_MS = 86_400_000
WORTH_A_LOOK = 2048

Ints: TypeAlias = npt.NDArray[np.int64]
Label = TypeVar("Label", bound=Hashable)


class RequestSample(msgspec.Struct, frozen=True, gc=False):
    """One served HTTP request: its series, latency in ns, and end in ns since 1970."""

    series: SeriesKey
    latency_ns: int
    ended_at: int


class SeriesRows:
    """What has a series and an end, row by row, as columns of one length.

    `endpoint`, `method` and `status` index into `endpoints`, `methods` and `status_codes`;
    `ended_at_ms` is in ms since 1970: what is shown is what is kept.
    """

    __slots__ = (
        "_codes",
        "ended_at_ms",
        "endpoint",
        "endpoints",
        "method",
        "methods",
        "status",
        "status_codes",
    )

    def __init__(
        self,
        *,
        endpoints: Sequence[Endpoint],
        methods: Sequence[str],
        status_codes: Sequence[int],
        endpoint: Ints,
        method: Ints,
        status: Ints,
        ended_at_ms: Ints,
    ) -> None:
        """Take the columns, which are not copied."""
        self.endpoints = endpoints
        self.methods = methods
        self.status_codes = status_codes
        self.endpoint = endpoint
        self.method = method
        self.status = status
        self.ended_at_ms = ended_at_ms
        self._codes: Ints | None = None

    def key(self, row: int) -> SeriesKey:
        """The series of one row."""
        service, route = self.endpoints[self.endpoint[row]]
        method, status_code = self.methods[self.method[row]], self.status_codes[self.status[row]]
        return SeriesKey(service, route, method, status_code)

    def series_codes(self) -> Ints:
        """For each row a number that those of its series have in common within these."""
        codes = self._codes
        if codes is None:
            codes = self.endpoint * len(self.methods)
            codes += self.method
            codes *= len(self.status_codes)
            codes += self.status
            self._codes = codes
        return codes

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.ended_at_ms)


class SampleBatch(SeriesRows):
    """Samples as columns of one length; `latency_ns` is in ns."""

    __slots__ = ("latency_ns",)

    def __init__(
        self,
        *,
        endpoints: Sequence[Endpoint],
        methods: Sequence[str],
        status_codes: Sequence[int],
        endpoint: Ints,
        method: Ints,
        status: Ints,
        latency_ns: Ints,
        ended_at_ms: Ints,
    ) -> None:
        """Take the columns, which are not copied."""
        super().__init__(
            endpoints=endpoints,
            methods=methods,
            status_codes=status_codes,
            endpoint=endpoint,
            method=method,
            status=status,
            ended_at_ms=ended_at_ms,
        )
        self.latency_ns = latency_ns

    @classmethod
    def of(cls, samples: Sequence[RequestSample]) -> Self:
        """The batch that holds these samples, in their order."""
        return cls.of_series(
            [sample.series for sample in samples],
            np.array([sample.latency_ns for sample in samples], np.int64),
            np.array([sample.ended_at for sample in samples], np.int64) // NS_PER_MS,
        )

    @classmethod
    def of_series(cls, keys: Sequence[SeriesKey], latency_ns: Ints, ended_at_ms: Ints) -> Self:
        """The batch of samples that belong to these series, one key for each."""
        endpoints, endpoint = interned(Endpoint(key.service, key.route) for key in keys)
        methods, method = interned(key.method for key in keys)
        status_codes, status = interned(key.status_code for key in keys)
        return cls(
            endpoints=endpoints,
            methods=methods,
            status_codes=status_codes,
            endpoint=endpoint,
            method=method,
            status=status,
            latency_ns=latency_ns,
            ended_at_ms=ended_at_ms,
        )

    @classmethod
    def joined(cls, batches: Iterable["SampleBatch"]) -> list["SampleBatch"]:
        """The same samples in fewer batches: small ones with the very same labels become one.

        Large ones are worth being looked at by themselves, while they are in a processor's cache.
        """
        runs = groupby(
            batches,
            key=lambda b: (
                id(b) if len(b) >= WORTH_A_LOOK else 0,
                *map(id, (b.endpoints, b.methods, b.status_codes)),
            ),
        )
        return [cls._concatenated(list(run)) for _, run in runs]

    @classmethod
    def _concatenated(cls, run: Sequence["SampleBatch"]) -> "SampleBatch":
        first = run[0]
        if len(run) == 1:
            return first
        return cls(
            endpoints=first.endpoints,
            methods=first.methods,
            status_codes=first.status_codes,
            endpoint=np.concatenate([batch.endpoint for batch in run]),
            method=np.concatenate([batch.method for batch in run]),
            status=np.concatenate([batch.status for batch in run]),
            latency_ns=np.concatenate([batch.latency_ns for batch in run]),
            ended_at_ms=np.concatenate([batch.ended_at_ms for batch in run]),
        )

    def samples(self) -> list[RequestSample]:
        """The samples one by one, in their order; their ends are whole ms."""
        return [
            RequestSample(key, latency_ns, ended_at_ms * NS_PER_MS)
            for key, latency_ns, ended_at_ms in zip(
                map(self.key, range(len(self))),
                self.latency_ns.tolist(),
                self.ended_at_ms.tolist(),
                strict=True,
            )
        ]

    def __len__(self) -> int:
        """How many samples the batch holds."""
        return len(self.latency_ns)

    def __eq__(self, other: object) -> bool:
        """Whether the same samples come in the same order, however their labels are numbered."""
        return isinstance(other, SampleBatch) and self.samples() == other.samples()

    __hash__ = None  # type: ignore[assignment]


def interned(labels: Iterable[Label]) -> tuple[list[Label], Ints]:
    """The distinct labels in order of appearance, and the index of each one's."""
    index: dict[Label, int] = {}
    column = [index.setdefault(label, len(index)) for label in labels]
    return list(index), np.array(column, np.int64)


class SampleRows(msgspec.Struct, frozen=True):
    """A batch as JSON kept it before there were segments; ends in ns since 1970."""

    series: list[SeriesKey]
    series_index: list[int]
    latency_ns: list[int]
    ended_at: list[int]

    def batch(self) -> SampleBatch:
        """The same samples as columns. Raises `ValueError` where the columns do not fit."""
        if not len(self.series_index) == len(self.latency_ns) == len(self.ended_at):
            raise ValueError("the columns differ in length")
        return SampleBatch.of_series(
            [self.series[index] for index in self.series_index],
            np.array(self.latency_ns, np.int64),
            np.array(self.ended_at, np.int64) // NS_PER_MS,
        )


def columns_of_rows(batch: dict[str, Any]) -> dict[str, Any]:
    """The first encoding of a batch, a row for each sample, as the second one's columns."""
    index: dict[tuple[Any, ...], int] = {}
    rows = batch["rows"]
    return {
        "series_index": [index.setdefault(tuple(key), len(index)) for *key, _, _ in rows],
        "latency_ns": [latency_ns for *_, latency_ns, _ in rows],
        "ended_at": [ended_at for *_, ended_at in rows],
        "series": list(index),
    }
