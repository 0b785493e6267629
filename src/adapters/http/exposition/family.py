"""Metric families, and what an encoder of them does."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

from ....domain.rollup import Rollups

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Name and value of each, in the order of their names."""

LABELS_KEPT = 1024
"""How many labels an encoder keeps as they are written."""


class Kind(StrEnum):
    """What a family's values are."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Family(msgspec.Struct, frozen=True):
    """A name without the suffix of its kind, what it means, and its unit, with which it ends."""

    name: str
    kind: Kind
    help: str
    unit: str = ""


class Values(msgspec.Struct, frozen=True):
    """A family of counters or gauges with its values."""

    family: Family
    samples: Sequence[tuple[Labels, float]]


class Histograms(msgspec.Struct, frozen=True):
    """Histograms of one family, with bounds in seconds.

    `labels` are a name and each series' value, in the order of their names.
    """

    family: Family
    bounds: Sequence[float]
    rollups: Rollups
    labels: Sequence[tuple[str, Sequence[str]]] = ()


class Encoder(Protocol):
    """One format: a family of histograms is its head and pieces of it, and others come whole."""

    def head(self, family: Family, length: int) -> bytes:
        """What stands before the histograms of a family, which have `length` bytes in all."""
        ...

    def histograms(self, some: Histograms, cuts: Sequence[int]) -> Iterator[bytes]:
        """Some histograms of a family, in pieces that end before the series at these places.

        Several threads may encode at once.
        """
        ...

    def values(self, values: Values) -> bytes:
        """A family of other values."""
        ...

    def end(self) -> bytes:
        """What ends the answer."""
        ...
