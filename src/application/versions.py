"""Which version of a service runs where: an operational event when it is first seen."""

from collections.abc import Iterable

from ..domain.event import MAX_MESSAGE_LENGTH, EventFilter, Level, OperationalEvent
from ..domain.exception_event import EventFields
from ..domain.fitting import fit_meta, fit_text
from ..domain.origin import ENVIRONMENT, SERVICE_VERSION, Origin
from .ports import Clock
from .query_events import MAX_PAGE, EventQueries
from .record import EventRecorder

VERSION = "VERSION"
"""The type of such an event."""
MAX_KNOWN = 10_000
SAY_EVERY_NS = 60 * 1_000_000_000


class ServiceVersions:
    """Remembers the last origin of each service, and records an event for each new one.

    A sender that names another version each time is heard once a minute.
    """

    def __init__(self, events: EventRecorder, queries: EventQueries, clock: Clock) -> None:
        """Record through `events`, and know what `queries` finds."""
        self._events = events
        self._queries = queries
        self._clock = clock
        self._known: set[Origin] = set()
        self._last: dict[str, Origin] = {}
        self._said_at: dict[str, int] = {}

    def last(self, service: str) -> Origin:
        """The origin that the service was last seen with."""
        return self._last.get(service, Origin(service))

    async def load(self) -> None:
        """Know what was recorded before. Raises `StoreUnavailable`."""
        wanted = EventFilter(type=VERSION)
        page = await self._queries.search(wanted, MAX_PAGE)
        for recorded in reversed(page.events):
            origin = _origin_of(recorded.event)
            self._known.add(origin)
            self._learn(origin)

    async def note(self, origins: Iterable[Origin]) -> None:
        """Something came from these; returns when what is new about that is durable.

        Raises `Overloaded`, `StoreUnavailable`.
        """
        for origin in origins:
            if origin.attributes and origin != self._last.get(origin.service):
                if origin not in self._known:
                    await self._say(origin)
                self._learn(origin)

    async def _say(self, origin: Origin) -> None:
        now = self._clock.monotonic()
        said_at = self._said_at.get(origin.service)
        if len(self._known) >= MAX_KNOWN or (said_at is not None and now - said_at < SAY_EVERY_NS):
            return
        self._known.add(origin)
        try:
            await self._events.record_all([_event_of(origin)], None)
        except BaseException:
            self._known.discard(origin)
            raise
        self._said_at[origin.service] = now

    def _learn(self, origin: Origin) -> None:
        if origin.service in self._last or len(self._last) < MAX_KNOWN:
            self._last[origin.service] = origin


def _origin_of(event: OperationalEvent) -> Origin:
    version, environment = (
        str(event.meta.get(name, "")) for name in (SERVICE_VERSION, ENVIRONMENT)
    )
    return Origin(event.service, version, environment)


def _event_of(origin: Origin) -> EventFields:
    what = f"runs {origin.version}" if origin.version else "runs"
    where = f" in {origin.environment}" if origin.environment else ""
    return EventFields(
        level=Level.INFO,
        type=VERSION,
        service=origin.service,
        message=fit_text(f"{origin.service} {what}{where}", MAX_MESSAGE_LENGTH),
        meta=fit_meta(origin.attributes),
    )
