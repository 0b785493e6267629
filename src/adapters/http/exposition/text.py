"""Prometheus' text format 0.0.4, and OpenMetrics 1.0.0.

Sources: Prometheus, "Exposition formats"; OpenMetrics 1.0.0, "Text format".
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise, repeat

import numpy as np

from ....domain.classic_buckets import cumulative
from ....domain.instant import NS_PER_SECOND
from .family import LABELS_KEPT, Family, Histograms, Kind, Labels, Values

_IN_QUOTES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Text:
    """Encodes as Prometheus' text; as OpenMetrics, which differs in a few lines, if so wanted."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics

    def head(self, family: Family, length: int) -> bytes:  # noqa: ARG002
        """See `Encoder.head`; the length does not show."""
        return "".join(self._head(family)).encode()

    def histograms(self, some: Histograms, cuts: Sequence[int]) -> Iterator[bytes]:
        """See `Encoder.histograms`."""
        around = _around_labels(some.family.name, tuple(some.bounds), is_labelled=bool(some.labels))
        rollups = some.rollups
        columns = [
            *cumulative(rollups, some.bounds).T,
            rollups.count,
            rollups.count,
            *np.divmod(rollups.sum_ns, NS_PER_SECOND),
        ]
        rows = zip(*[column.tolist() for column in columns], strict=True)
        labels = [map(_in_template, repeat(name), values) for name, values in some.labels]
        joined = map(b",".join, zip(*labels, strict=True)) if labels else repeat(b"")
        series = (each.join(around) % row for each, row in zip(joined, rows, strict=False))
        for start, end in pairwise([0, *cuts]):
            yield b"".join(islice(series, end - start))

    def values(self, values: Values) -> bytes:
        """See `Encoder.values`."""
        return "".join(self._lines(values)).encode()

    def end(self) -> bytes:
        """See `Encoder.end`."""
        return b"# EOF\n" if self._openmetrics else b""

    def _lines(self, values: Values) -> Iterator[str]:
        family = values.family
        yield from self._head(family)
        suffix = "_total" if family.kind is Kind.COUNTER else ""
        for labels, value in values.samples:
            yield f"{family.name}{suffix}{_braces(labels)} {_number(value)}\n"

    def _head(self, family: Family) -> Iterator[str]:
        name = family.name
        if family.kind is Kind.COUNTER and not self._openmetrics:
            name += "_total"
        said = family.help.translate(_IN_QUOTES if self._openmetrics else _IN_HELP)
        yield f"# HELP {name} {said}\n"
        yield f"# TYPE {name} {family.kind}\n"
        if family.unit and self._openmetrics:
            yield f"# UNIT {name} {family.unit}\n"


@lru_cache(maxsize=8)
def _around_labels(name: str, bounds: Sequence[float], *, is_labelled: bool) -> Sequence[bytes]:
    """What stands before, between and after the labels of a series' lines.

    Joined by the labels, it is a template for the series' cumulative counts, its count twice, and
    its sum in whole seconds and nanoseconds.
    """
    comma, start, end = (",", "{", "}") if is_labelled else ("", "", "")
    lines = [
        *[(f"{name}_bucket{{", f'{comma}le="{le}"}} %d\n') for le in (*bounds, "+Inf")],
        (f"{name}_count{start}", f"{end} %d\n"),
        (f"{name}_sum{start}", f"{end} %d.%09d\n"),
    ]
    befores, afters = zip(*lines, strict=True)
    pairs = zip(("", *afters), (*befores, ""), strict=True)
    return [(after + before).encode() for after, before in pairs]


@lru_cache(LABELS_KEPT)
def _in_template(name: str, value: str) -> bytes:
    return _label(name, value).replace("%", "%%").encode()


def _label(name: str, value: str) -> str:
    return f'{name}="{value.translate(_IN_QUOTES)}"'


def _braces(labels: Labels) -> str:
    return f"{{{','.join([_label(*label) for label in labels])}}}" if labels else ""


def _number(value: float) -> str:
    return str(value)
