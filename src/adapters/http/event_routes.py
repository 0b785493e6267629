"""Operational events over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import HttpMethod, Request, Response, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from ...application.board import Opsboard
from ...application.errors import EventNotFound
from ...application.query_events import DEFAULT_PAGE, MAX_PAGE, EventQueries, event_filter
from ...domain.summary import EventSummary
from .auth import Tokens
from .body import read_body, require_json
from .event_bodies import EventBody, EventDraft, decode_draft
from .headers import by_name, idempotency_key
from .middleware import Receive, Scope, Send
from .paging import link_to_next
from .parameters import known_parameters, refuse_parameters

MAX_BODY_BYTES = 256 * 1024
MAX_ID = 2**63 - 1
READ = [HttpMethod.GET, HttpMethod.HEAD]

_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")

LevelFilter = Annotated[
    str | None, QueryParameter(description="one level, in any case", required=False)
]
TypeFilter = Annotated[str | None, QueryParameter(description="one type", required=False)]
ServiceFilter = Annotated[str | None, QueryParameter(description="one service", required=False)]
TextFilter = Annotated[
    str | None,
    QueryParameter(
        description="words that must all occur in message or meta; `word*` for a beginning",
        required=False,
    ),
]
Since = Annotated[
    str | None, QueryParameter(description="not before this RFC 3339 time", required=False)
]
Until = Annotated[
    str | None, QueryParameter(description="before this RFC 3339 time", required=False)
]
IdBefore = Annotated[
    int | None,
    QueryParameter(ge=1, le=MAX_ID, description="only ids below this one", required=False),
]


class RecordEvent:
    """`POST /events` as plain ASGI: the hot path, some 40 us shorter than a Litestar handler."""

    def __init__(self, board: Opsboard, tokens: Tokens) -> None:
        """Record into `board` what `tokens` allow."""
        self._record = board.recorder.record
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer once the event is durable; errors are raised, and answered as problems."""
        headers = by_name(scope["headers"])
        self._tokens.allow_write(headers, scope)
        refuse_parameters(scope["query_string"])
        require_json(headers)
        key = idempotency_key(headers)
        draft = decode_draft(await read_body(headers, receive, MAX_BODY_BYTES))
        recorded = await self._record(
            draft.message,
            level=draft.level,
            type=draft.type,
            service=draft.service,
            meta=draft.meta,
            key=key,
        )
        body = _encode(EventBody.of(recorded))
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
        await send({"type": "http.response.body", "body": body})


def event_routes(
    board: Opsboard, tokens: Tokens, record: RecordEvent
) -> Sequence[HTTPRouteHandler]:
    """The routes below `/events`."""
    return [*_routes_to_write(record), *_routes_to_read(board.event_queries, tokens)]


def _routes_to_write(record: RecordEvent) -> Sequence[HTTPRouteHandler]:
    def answer_raw(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
        return record

    @route("/events", http_method=["OPTIONS"], include_in_schema=False)
    async def say_what_is_allowed() -> Response[None]:
        """Stands first: Litestar's own would name the methods of the next handler alone."""
        return Response(None, status_code=204, headers={"Allow": "GET, HEAD, OPTIONS, POST"})

    @post("/events", status_code=200, middleware=[answer_raw], tags=["events"])
    async def record_event(
        data: JSONBody[EventDraft],  # noqa: ARG001
        idempotency_key: Annotated[  # noqa: ARG001
            str | None,
            HeaderParameter(
                name="Idempotency-Key",
                description="the same key and body within 24 hours records once",
                required=False,
            ),
        ] = None,
    ) -> EventBody:
        """Record one operational event; answers once it is durable. Needs the token."""
        raise AssertionError("answered by RecordEvent, which stands before this description")

    return [say_what_is_allowed, record_event]


def _routes_to_read(queries: EventQueries, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    reading = [tokens.reading, known_parameters]

    @route("/events", http_method=READ, guards=reading, tags=["events"])
    async def list_events(
        request: Request[Any, Any, Any],
        level: LevelFilter = None,
        type: TypeFilter = None,
        service: ServiceFilter = None,
        q: TextFilter = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, required=False)] = DEFAULT_PAGE,
        before: IdBefore = None,
    ) -> Response[list[EventBody]]:
        """Events, newest first; the next page is in the Link header."""
        wanted = event_filter(
            level=level, type=type, service=service, q=q, since=since, until=until
        )
        page = await queries.search(wanted, limit, before)
        headers = link_to_next(request, page.before)
        return Response([EventBody.of(e) for e in page.events], headers=headers)

    @route("/events/summary", http_method=READ, guards=reading, tags=["events"])
    async def summarise_events(
        level: LevelFilter = None,
        type: TypeFilter = None,
        service: ServiceFilter = None,
        q: TextFilter = None,
        since: Since = None,
        until: Until = None,
    ) -> EventSummary:
        """How many events of each level, service and type."""
        return await queries.summarise(
            event_filter(level=level, type=type, service=service, q=q, since=since, until=until)
        )

    @route("/events/{id:int}", http_method=READ, guards=reading, tags=["events"])
    async def get_event(request: Request[Any, Any, Any], id: FromPath[int]) -> EventBody:
        """One event."""
        written = request.scope["path"].rstrip("/").rpartition("/")[2]
        if written != str(id) or not 1 <= id <= MAX_ID:
            raise EventNotFound("no event has this id")
        return EventBody.of(await queries.get(id))

    return [list_events, summarise_events, get_event]
