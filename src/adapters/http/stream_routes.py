"""The live stream of operational events over HTTP."""

import re
from collections.abc import Sequence
from typing import Annotated

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import ASGIApp

from ...application.query_events import event_filter
from ...domain.validation import InvalidInput
from .auth import Tokens
from .event_broadcast import EventBroadcast
from .event_routes import MAX_ID, READ, LevelFilter, ServiceFilter, TextFilter, TypeFilter
from .event_stream import EventStream
from .parameters import known_parameters

_ID = re.compile(r"[0-9]{1,19}")


def stream_routes(broadcast: EventBroadcast, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """`/events/stream`."""

    @route(
        "/events/stream",
        http_method=READ,
        guards=[tokens.reading, known_parameters],
        tags=["events"],
        responses={
            200: ResponseSpec(
                str,
                generate_examples=False,  # they would be other ones at each start
                media_type="text/event-stream",
                description="events named `event`, whose data is what GET /events lists",
            )
        },
    )
    async def stream_events(
        level: LevelFilter = None,
        type: TypeFilter = None,
        service: ServiceFilter = None,
        q: TextFilter = None,
        after: Annotated[
            int | None,
            QueryParameter(
                ge=0, le=MAX_ID, description="from the id after this one on", required=False
            ),
        ] = None,
        ticks: Annotated[
            bool,
            QueryParameter(
                description="also an event named `tick`, at most once a second, when new samples "
                "count in the metrics",
                required=False,
            ),
        ] = False,
        last_event_id: Annotated[
            str | None,
            HeaderParameter(
                name="Last-Event-ID",
                description="as `after`, and goes before it: where to resume",
                required=False,
            ),
        ] = None,
    ) -> ASGIApp:
        """New events as server-sent events, for as long as the client listens."""
        wanted = event_filter(level=level, type=type, service=service, q=q)
        place = _resumed(last_event_id) if last_event_id else after
        return EventStream(broadcast, wanted, place, ticks=ticks)  # type: ignore[return-value]

    return [stream_events]


def _resumed(last_event_id: str) -> int:
    if _ID.fullmatch(last_event_id) is None or int(last_event_id) > MAX_ID:
        raise InvalidInput.of("Last-Event-ID", "must be the id of an event")
    return int(last_event_id)
