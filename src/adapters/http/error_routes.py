"""Error groups over HTTP."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from ...application.board import Opsboard
from ...application.query_events import DEFAULT_PAGE, MAX_PAGE
from ...domain.error_group import DAY_NS, HOUR_NS, TREND_POINTS, ErrorGroup, State
from ...domain.validation import InvalidInput
from .auth import Tokens
from .body import read_body, require_json
from .error_bodies import ErrorChange, ErrorGroupBody, ErrorGroupDetail
from .event_routes import MAX_ID, READ, ServiceFilter
from .headers import by_name
from .json_bodies import decoded
from .metrics_routes import Last
from .middleware import Receive, Scope, Send
from .paging import link_to_next
from .parameters import known_parameters, refuse_parameters

MAX_CHANGE_BYTES = 16 * 1024
STEPS = {"1h": HOUR_NS, "1d": DAY_NS}

Step = Annotated[
    str | None,
    QueryParameter(
        description=f"the step of trends: 1h, {TREND_POINTS[HOUR_NS]} of them, or 1d, "
        f"{TREND_POINTS[DAY_NS]} of them",
        required=False,
    ),
]

RouteFilter = Annotated[
    str | None, QueryParameter(description="one route template", required=False)
]
# Litestar takes the name `state` for something else.
StateFilter = Annotated[
    str | None,
    QueryParameter(
        name="state",
        description=f"one of {', '.join(State)}, or several with commas between",
        required=False,
    ),
]
TextFilter = Annotated[
    str | None,
    QueryParameter(
        description="words that must all occur in type, message, services or routes; "
        "`word*` for a beginning",
        required=False,
    ),
]
SeenSince = Annotated[
    str | None, QueryParameter(description="seen at this RFC 3339 time or later", required=False)
]
SeenUntil = Annotated[
    str | None, QueryParameter(description="seen before this RFC 3339 time", required=False)
]
NewestBefore = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=MAX_ID,
        description="only groups whose newest event has an id below this one",
        required=False,
    ),
]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ErrorChange).decode


class ChangeState:
    """`POST /errors/{fingerprint}/...` as plain ASGI: its body is read as `POST /events` reads."""

    def __init__(
        self, board: Opsboard, tokens: Tokens, change: Callable[..., Awaitable[ErrorGroup]]
    ) -> None:
        """Call `change` of the use cases of `board` for whom `tokens` allow."""
        self._board = board
        self._tokens = tokens
        self._change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the group once the change is durable; a body may be left out."""
        headers = by_name(scope["headers"])
        self._tokens.allow_write(headers, scope)
        refuse_parameters(scope["query_string"])
        body = await read_body(headers, receive, MAX_CHANGE_BYTES)
        said = ErrorChange()
        if body:
            require_json(headers)
            said = decoded(_decode, body, "this change")
        fingerprint = scope["path_params"]["fingerprint"]
        group = await self._change(fingerprint, by=said.by, note=said.note)
        content = _encode(await _detail(self._board, group, HOUR_NS))
        start = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": content})


def error_routes(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """The routes below `/errors`."""
    return [*_routes_to_read(board, tokens), *_routes_to_change(board, tokens)]


def _routes_to_read(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    triage = board.error_groups
    reading = [tokens.reading, known_parameters]

    @route("/errors", http_method=READ, guards=reading, tags=["errors"])
    async def list_errors(
        request: Request[Any, Any, Any],
        service: ServiceFilter = None,
        route: RouteFilter = None,
        in_state: StateFilter = None,
        q: TextFilter = None,
        last: Last = None,
        since: SeenSince = None,
        until: SeenUntil = None,
        step: Step = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, required=False)] = DEFAULT_PAGE,
        before: NewestBefore = None,
    ) -> Response[list[ErrorGroupBody]]:
        """Error groups, the last seen first; the next page is in the Link header."""
        wanted = triage.filter(
            service=service, route=route, state=in_state, q=q, last=last, since=since, until=until
        )
        step_ns = _step(step)
        page = await triage.search(wanted, limit, before)
        now = triage.now()
        return Response(
            [ErrorGroupBody.of(group, now, step_ns) for group in page.groups],
            headers=link_to_next(request, page.before),
        )

    @route("/errors/{fingerprint:str}", http_method=READ, guards=reading, tags=["errors"])
    async def get_error(fingerprint: FromPath[str], step: Step = None) -> ErrorGroupDetail:
        """One error group, with its newest events and a sample."""
        step_ns = _step(step)
        return await _detail(board, await triage.get(fingerprint), step_ns)

    return [list_errors, get_error]


def _routes_to_change(board: Opsboard, tokens: Tokens) -> Sequence[HTTPRouteHandler]:
    """What they say of themselves; `ChangeState` answers."""
    triage = board.error_groups

    def resolving(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
        return ChangeState(board, tokens, triage.resolve)

    def reopening(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
        return ChangeState(board, tokens, triage.reopen)

    @post(
        "/errors/{fingerprint:str}/resolve",
        status_code=200,
        middleware=[resolving],
        tags=["errors"],
    )
    async def resolve_error(
        fingerprint: FromPath[str],  # noqa: ARG001
        data: JSONBody[ErrorChange],  # noqa: ARG001
    ) -> ErrorGroupDetail:
        """Say that an error is mended; it reopens when it occurs again. Needs the token."""
        raise AssertionError("answered by ChangeState, which stands before this description")

    @post(
        "/errors/{fingerprint:str}/reopen", status_code=200, middleware=[reopening], tags=["errors"]
    )
    async def reopen_error(
        fingerprint: FromPath[str],  # noqa: ARG001
        data: JSONBody[ErrorChange],  # noqa: ARG001
    ) -> ErrorGroupDetail:
        """Say that an error is not mended after all. Needs the token."""
        raise AssertionError("answered by ChangeState, which stands before this description")

    return [resolve_error, reopen_error]


async def _detail(board: Opsboard, group: ErrorGroup, step: int) -> ErrorGroupDetail:
    triage = board.error_groups
    sample = await triage.sample(group)
    return ErrorGroupDetail.with_sample(group, sample, triage.now(), step)


def _step(text: str | None) -> int:
    """The step of trends in ns. Raises `InvalidInput`."""
    step = HOUR_NS if text is None else STEPS.get(text)
    if step is None:
        raise InvalidInput.of("step", f"must be one of {', '.join(STEPS)}")
    return step
