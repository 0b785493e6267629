"""What is carried, who carries it, and how that can end."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from ...domain.series_key import SeriesKey


class Samples(NamedTuple):
    """A batch under its idempotency key: as `PACKED_SAMPLE`, by numbers that index `keys`."""

    key: str
    packed: bytes
    keys: Sequence[SeriesKey]


class Event(NamedTuple):
    """An event under its idempotency key: the fields of `POST /events`."""

    key: str
    fields: Mapping[str, Any]


Parcel: TypeAlias = Samples | Event


class Delivered(NamedTuple):
    """It is recorded, once, however often it was carried."""


class Later(NamedTuple):
    """It may be carried again, under its key, not before `after_seconds`."""

    reason: str
    after_seconds: float = 0.0
    needs_mending: bool = False
    """Whether somebody has to do something first, such as setting a token."""


class Refused(NamedTuple):
    """It would be refused each time."""

    reason: str


Outcome: TypeAlias = Delivered | Later | Refused


class Carrier(Protocol):
    """Brings parcels to a board. Used by one thread at a time."""

    def carry(self, parcel: Parcel, timeout: float) -> Outcome:
        """Try once, for about `timeout` seconds at most."""
        ...

    def close(self, timeout: float) -> None:
        """Give back what it holds; the next `carry` opens it again."""
        ...
