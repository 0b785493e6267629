"""Server spans that are taken together, column by column: what is done to each takes no Python."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from ....domain.sample import Ints
from ....domain.span import Words
from .resources import Places

together = b",".join
"""Attributes as one key, which no others have: JSON can be cut at such commas in one way only, and
between the fields of a protobuf message, where an attribute ends, no comma can stand."""

_attributes = attrgetter("attributes")
_trace_id, _span_id = attrgetter("trace_id"), attrgetter("span_id")
_start, _end = attrgetter("start_time_unix_nano"), attrgetter("end_time_unix_nano")


class SpanBlock(Protocol):
    """Server spans out of a sequence of spans."""

    rows: Ints
    """Their places in that sequence."""

    def naming(self, places: Mapping[int, Places]) -> Sequence[Hashable]:
        """For each a key, the same where the attributes in these places are the same.

        `places` are by the number of attributes; None where it has none for that.
        """
        ...

    def span(self, at: int) -> Any:
        """One of them, as it came."""
        ...

    def columns(self, kept: Ints) -> tuple[Words, Words, Words]:
        """Ids, starts and ends of some, as `SpanColumns` has them. Raises `InvalidInput`."""
        ...


class Part(NamedTuple):
    """What some spans are: server spans, how many others, and those of any kind that have events.

    Spans with events come with their places.
    """

    blocks: Sequence[SpanBlock]
    not_kept: int
    with_events: Sequence[tuple[int, Any]]


class ColumnsOf(NamedTuple):
    """How ids and times of one encoding become columns; each may raise `InvalidInput`."""

    ids: Callable[[Sequence[Any], Sequence[Any]], Words]
    times: Callable[[Sequence[Any]], Words]


def _none(_: Any) -> tuple[Any, ...]:
    """Picks nothing: for so many attributes, no places are known yet."""
    return ()


class SpanObjects:
    """Spans that were decoded one by one; see `SpanBlock`."""

    def __init__(self, rows: Ints, spans: Sequence[Any], columns_of: ColumnsOf) -> None:
        """One span or more."""
        self.rows = rows
        self._spans = spans
        self._columns_of = columns_of

    def naming(self, places: Mapping[int, Places]) -> Sequence[Hashable]:
        """See `SpanBlock.naming`."""
        picks_of = {count: known.pick for count, known in places.items()}.get
        return [
            together(picks_of(len(each), _none)(each)) if each else None
            for each in map(_attributes, self._spans)
        ]

    def span(self, at: int) -> Any:
        """See `SpanBlock.span`."""
        return self._spans[at]

    def columns(self, kept: Ints) -> tuple[Words, Words, Words]:
        """See `SpanBlock.columns`."""
        some = self._spans
        if len(kept) < len(some):
            some = [some[at] for at in kept.tolist()]
        ids, times = self._columns_of
        # Column by column: a tuple for each span would take twice the time.
        return (
            ids([*map(_trace_id, some)], [*map(_span_id, some)]),
            times([*map(_start, some)]),
            times([*map(_end, some)]),
        )
