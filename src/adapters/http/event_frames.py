"""Events as server-sent events: encoded once, whoever reads them.

Source of the form: the HTML standard, "Server-sent events". A block without data moves the place
that a client resumes from, and is no event.
"""

from collections.abc import Sequence

import msgspec

from ...application.event_feed import EventPage
from ...domain.event import EventFilter, RecordedEvent
from .event_bodies import EventBody

MAX_BATCH_BYTES = 64 * 1024
MAX_BATCH_EVENTS = 256

_encode = msgspec.json.Encoder().encode


def greeting(place: int, retry_ms: int) -> bytes:
    """How long to wait before connecting again, and from where on to read then."""
    return b"retry: %d\nid: %d\n\n" % (retry_ms, place)


def heartbeat(place: int) -> bytes:
    """A comment, so that everybody on the way sees the connection live; and the place."""
    return b": still here\nid: %d\n\n" % place


def tick(samples: int, events: int) -> bytes:
    """New samples were folded, up to this entry; and the id of the newest event."""
    return b"event: tick\ndata: %b\n\n" % _encode({"samples": samples, "events": events})


def _frame(recorded: RecordedEvent) -> bytes:
    body = _encode(EventBody.of(recorded))
    return b"id: %d\nevent: event\ndata: %b\n\n" % (recorded.id, body)


class Batch:
    """The events with ids in (after, upto], as frames, few enough to be sent at once."""

    __slots__ = ("_events", "_frames", "_wanted", "after", "bytes", "upto")

    def __init__(
        self, after: int, upto: int, events: Sequence[RecordedEvent], frames: Sequence[bytes]
    ) -> None:
        """A frame for each event."""
        self.after = after
        self.upto = upto
        self.bytes = sum(map(len, frames))
        self._events = events
        self._frames = frames
        self._wanted: dict[EventFilter, bytes] = {}

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._events)

    def wanted(self, wanted: EventFilter, after: int) -> bytes:
        """The frames of the events that a filter wants with ids above `after`."""
        if after > self.after:
            return self._of(wanted, after)
        found = self._wanted.get(wanted)
        if found is None:
            found = self._wanted[wanted] = self._of(wanted, after)
        return found

    def forget(self) -> None:
        """Keep the frames alone: hardly anybody asks for what was made of them again."""
        self._wanted.clear()

    def _of(self, wanted: EventFilter, after: int) -> bytes:
        return b"".join(
            frame
            for recorded, frame in zip(self._events, self._frames, strict=True)
            if recorded.id > after and wanted.wants(recorded.event)
        )


def batches(page: EventPage) -> list[Batch]:
    """A page as batches; one is longer than its bounds by less than a frame."""
    made: list[Batch] = []
    after, start, size = page.after, 0, 0
    frames = list(map(_frame, page.events))
    for end, (recorded, frame) in enumerate(zip(page.events, frames, strict=True), start=1):
        size += len(frame)
        if size >= MAX_BATCH_BYTES or end - start >= MAX_BATCH_EVENTS:
            part = slice(start, end)
            made.append(Batch(after, recorded.id, page.events[part], frames[part]))
            after, start, size = recorded.id, end, 0
    if after < page.upto or not made:
        made.append(Batch(after, page.upto, page.events[start:], frames[start:]))
    return made
