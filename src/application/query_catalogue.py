"""What is known: the services, and their routes."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from ..domain.instant import format_ms
from ..domain.sample import Endpoint
from ..domain.series import SeriesSeen
from .query_metrics import MetricsQueries
from .versions import ServiceVersions

T = TypeVar("T", str, Endpoint)


class KnownService(msgspec.Struct, frozen=True):
    """A service that sent a sample: how many routes it has, and when it was first and last seen.

    `version` and `environment` are those that OpenTelemetry's signals last came from.
    """

    service: str
    routes: int
    first_seen: str
    last_seen: str
    version: str | None = None
    environment: str | None = None


class KnownRoute(msgspec.Struct, frozen=True):
    """A route of a service: its methods, and when it was first and last seen."""

    service: str
    route: str
    methods: list[str]
    first_seen: str
    last_seen: str


class CatalogueQueries:
    """Reads the table of series, which is in memory."""

    def __init__(self, metrics: MetricsQueries, versions: ServiceVersions) -> None:
        """Ask `metrics` for the table, and `versions` for what runs."""
        self._metrics = metrics
        self._versions = versions

    async def services(self) -> list[KnownService]:
        """Every service, by name."""
        await self._metrics.settle()
        return [
            KnownService(
                name,
                len({s.key.route for s in seen}),
                *_span(seen),
                self._versions.last(name).version or None,
                self._versions.last(name).environment or None,
            )
            for name, seen in self._grouped(lambda s: s.key.service)
        ]

    async def routes(self, service: str | None = None) -> list[KnownRoute]:
        """Every route, of one service if it is given, by service and route."""
        await self._metrics.settle()
        return [
            KnownRoute(*endpoint, sorted({s.key.method for s in seen}), *_span(seen))
            for endpoint, seen in self._grouped(lambda s: Endpoint(s.key.service, s.key.route))
            if service is None or endpoint.service == service
        ]

    def _grouped(self, name: Callable[[SeriesSeen], T]) -> Iterator[tuple[T, list[SeriesSeen]]]:
        groups: dict[T, list[SeriesSeen]] = {}
        for seen in self._metrics.known.seen:
            groups.setdefault(name(seen), []).append(seen)
        return iter(sorted(groups.items(), key=lambda group: group[0]))


def _span(seen: list[SeriesSeen]) -> tuple[str, str]:
    first, last = min(s.seen_from_ms for s in seen), max(s.seen_upto_ms for s in seen)
    return format_ms(first), format_ms(last)
