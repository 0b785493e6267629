"""What to carry next, and what to do with how that ended; without a thread, and without time."""

import logging
from collections.abc import Callable

from ...domain.packed_sample import PACKED_SAMPLE
from .carrier import Carrier, Event, Later, Parcel, Refused, Samples
from .events import Fields, WaitingEvents
from .pauses import Pauses
from .samples import WaitingSamples

MAX_CARRIED_MESSAGE = 200

_log = logging.getLogger(__name__)


class Delivery:
    """Carries what waits, one parcel at a time, until each is delivered or refused.

    A parcel keeps its idempotency key for as many tries as it needs, so none counts twice. What was
    dropped or refused is counted, and said in an event as soon as something can be delivered.
    """

    def __init__(
        self,
        samples: WaitingSamples,
        events: WaitingEvents,
        new_carrier: Callable[[], Carrier],
        pauses: Pauses,
        new_key: Callable[[], str],
    ) -> None:
        """The carrier is made with the first parcel; `new_key` gives idempotency keys."""
        self._samples = samples
        self._events = events
        self._new_carrier = new_carrier
        self._carrier: Carrier | None = None
        self._pauses = pauses
        self._new_key = new_key
        self._in_hand: Parcel | None = None
        self._lost_samples = self._lost_events = 0
        self._lost_because = ""
        self._failing = self._samples_are_due = False
        self._warned: set[str] = set()

    @property
    def unsent(self) -> int:
        """How many samples and events are not delivered, nor refused."""
        in_hand = 0 if self._in_hand is None else _count(self._in_hand)
        return in_hand + len(self._samples) + len(self._events)

    def begin(self) -> None:
        """Let the next steps carry all that waits now; by themselves, they carry full batches."""
        self._samples_are_due = True

    def step(self, timeout: float) -> float | None:
        """Carry one parcel, for about `timeout` seconds at most.

        Gives the seconds to wait before the next step; None where nothing is due any more.
        """
        if self._in_hand is None:
            self._in_hand = self._next_parcel()
        if self._in_hand is None:
            return None
        if self._carrier is None:
            self._carrier = self._new_carrier()
        outcome = self._carrier.carry(self._in_hand, timeout)
        if isinstance(outcome, Later):
            self._say_failing(outcome)
            return self._pauses.after_failure(outcome.after_seconds, outcome.needs_mending)
        self._pauses.reset()
        self._say_recovered()
        parcel, self._in_hand = self._in_hand, None
        if isinstance(outcome, Refused):
            self._lose(parcel, outcome)
        return 0.0

    def close(self, timeout: float) -> None:
        """Give back what the carrier holds; the next step opens it again."""
        if self._carrier is not None:
            self._carrier.close(timeout)

    def _next_parcel(self) -> Parcel | None:
        if self._samples_are_due or self._samples.batch_is_full:
            self._samples_are_due = False
            packed = self._samples.take()
            if packed:
                return Samples(self._new_key(), packed, self._samples.keys)
        fields = self._events.take() or self._loss()
        return None if fields is None else Event(self._new_key(), fields)

    def _say_failing(self, outcome: Later) -> None:
        if not self._failing or (outcome.needs_mending and outcome.reason not in self._warned):
            self._warned.add(outcome.reason)
            _log.warning("samples and events wait: %s", outcome.reason)
        self._failing = True

    def _say_recovered(self) -> None:
        if self._failing:
            _log.warning("samples and events are delivered again")
        self._failing = False

    def _lose(self, parcel: Parcel, outcome: Refused) -> None:
        """Count what will never be taken; the first time, say why."""
        if outcome.reason not in self._warned:
            self._warned.add(outcome.reason)
            _log.error("dropped, since it is refused: %s", outcome.reason)
        if isinstance(parcel, Samples):
            self._lost_samples += _count(parcel)
            self._lost_because = outcome.reason
        elif "dropped_samples" not in parcel.fields["meta"]:
            self._lost_events += 1
            self._lost_because = outcome.reason

    def _loss(self) -> Fields | None:
        """The event that tells what was lost since the last one; None where nothing was."""
        samples = self._lost_samples + self._samples.take_dropped()
        events = self._lost_events + self._events.take_dropped()
        if not samples and not events:
            return None
        because = self._lost_because or "too many at once"
        self._lost_samples = self._lost_events = 0
        self._lost_because = ""
        return {
            "level": "WARN",
            "type": "OPS",
            "service": self._samples.keys[-1].service if self._samples.keys else "api",
            "message": f"{samples} request samples and {events} events were dropped",
            "meta": {
                "dropped_samples": samples,
                "dropped_events": events,
                "reason": because[:MAX_CARRIED_MESSAGE],
            },
        }


def _count(parcel: Parcel) -> int:
    return len(parcel.packed) // PACKED_SAMPLE.size if isinstance(parcel, Samples) else 1
