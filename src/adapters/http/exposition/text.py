"""Prometheus' text format 0.0.4, and OpenMetrics 1.0.0.

Sources: Prometheus, "Exposition formats"; OpenMetrics 1.0.0, "Text format".
"""

from collections.abc import Iterator
from functools import lru_cache

from ....domain.classic_buckets import cumulative
from .family import Family, Histograms, Kind, Labels, Values

_IN_QUOTES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_LABELS = "\0"
"""Stands for the labels in what is formatted at once for all buckets of a series."""


class Text:
    """Encodes as Prometheus' text; as OpenMetrics, which differs in a few lines, if so wanted."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics

    def head(self, family: Family, length: int) -> bytes:  # noqa: ARG002
        """See `Encoder.head`; the length does not show."""
        return "".join(self._head(family)).encode()

    def histograms(self, part: Histograms) -> bytes:
        """See `Encoder.histograms`."""
        name = part.family.name
        bounds = [*map(_number, part.bounds), "+Inf"]
        lines = (f'{name}_bucket{{{_LABELS}le="{bound}"}} %d\n' for bound in bounds)
        buckets, placeholder = "".join(lines).encode(), _LABELS.encode()
        rows = zip(
            map(_written, part.labels),
            cumulative(part.rollups, part.bounds).tolist(),
            part.rollups.count.tolist(),
            (part.rollups.sum_ns / 1e9).tolist(),
            strict=True,
        )
        said = []
        for labels, counts, count, seconds in rows:
            said.append((buckets % (*counts, count)).replace(placeholder, labels.encode()))
            braces = _braces(labels)
            said.append(f"{name}_count{braces} {count}\n{name}_sum{braces} {seconds}\n".encode())
        return b"".join(said)

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
            yield f"{family.name}{suffix}{_braces(_written(labels))} {_number(value)}\n"

    def _head(self, family: Family) -> Iterator[str]:
        name = family.name
        if family.kind is Kind.COUNTER and not self._openmetrics:
            name += "_total"
        said = family.help.translate(_IN_QUOTES if self._openmetrics else _IN_HELP)
        yield f"# HELP {name} {said}\n"
        yield f"# TYPE {name} {family.kind}\n"
        if family.unit and self._openmetrics:
            yield f"# UNIT {name} {family.unit}\n"


def _written(labels: Labels) -> str:
    """Each label with a comma after it."""
    return "".join([_label(name, value) for name, value in labels])


@lru_cache(4096)
def _label(name: str, value: str) -> str:
    return f'{name}="{value.translate(_IN_QUOTES)}",'


def _braces(written: str) -> str:
    return f"{{{written[:-1]}}}" if written else ""


def _number(value: float) -> str:
    return str(value)
