"""The ASGI app: opsboard's routes, its own latency middleware outermost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from litestar import Litestar

from ...application.board import Opsboard
from ...application.errors import StoreUnusable
from .answer_head import AnswerHead
from .attempts import MAX_FAILURES, Attempts
from .auth import Tokens
from .deploy_routes import deploy_routes
from .direct_routes import DirectRoutes
from .error_routes import error_routes
from .event_broadcast import EventBroadcast
from .event_routes import RecordEvent, event_routes
from .health_routes import health_routes
from .metrics_routes import metrics_routes
from .middleware import ASGIApp, LatencyMiddleware
from .openapi import openapi_config
from .otlp.routes import otlp_routes
from .overview_routes import overview_routes
from .page_routes import page_routes
from .problems import problem_response
from .refusals import Refusals
from .sample_routes import RecordSamples, sample_routes
from .series_routes import series_routes
from .session import Sessions
from .session_routes import session_routes
from .slowest_routes import slowest_routes
from .stream_routes import stream_routes

SERVICE = "opsboard"


def create_app(
    board: Opsboard,
    *,
    api_token: str | None,
    read_token: str | None,
    version: str,
    on_unusable: Callable[[StoreUnusable], None] = lambda _: None,
    broadcast: EventBroadcast | None = None,
) -> ASGIApp:
    """The app over `board`, which its lifespan starts and stops.

    A store that can not be opened ends the start; `on_unusable` is told why. Open streams hold up
    the end of a server: one that ends calls `end` of the `broadcast` that it passed.
    """
    sessions = Sessions(api_token, read_token)
    tokens = Tokens(api_token, read_token, sessions, _attempts(board))
    record_event = RecordEvent(board, tokens)
    record_samples = RecordSamples(board, tokens)
    broadcast = broadcast or broadcast_of(board)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            async with board:
                await sessions.take_secret(board.store)
                yield
        except StoreUnusable as error:
            on_unusable(error)
            raise

    app = Litestar(
        route_handlers=[
            *page_routes(board, tokens, version),
            *health_routes(board),
            *metrics_routes(board, tokens, version),
            *series_routes(board, tokens),
            *event_routes(board, tokens, record_event),
            *error_routes(board, tokens),
            *sample_routes(record_samples),
            *otlp_routes(board, tokens),
            *stream_routes(broadcast, tokens),
            *overview_routes(board, tokens),
            *deploy_routes(board, tokens),
            *slowest_routes(board, tokens),
            *session_routes(tokens, sessions),
        ],
        lifespan=[lifespan],
        exception_handlers={Exception: problem_response},
        openapi_config=openapi_config(version),
        logging_config=None,
        debug=False,
    )
    direct: dict[tuple[str, str], ASGIApp] = {
        ("POST", "/events"): record_event,
        ("POST", "/samples"): record_samples,
    }
    routed = DirectRoutes(cast(ASGIApp, app), direct)
    answered = AnswerHead(routed, Refusals(board.vitals.requests_refused))
    return LatencyMiddleware(answered, service=SERVICE, to=board)


def _attempts(board: Opsboard) -> Attempts:
    """Wrong tokens, counted and said where everything else about opsboard is."""

    def say(client: str) -> None:
        board.say_later(
            lambda: {
                "message": f"more than {MAX_FAILURES} wrong tokens a minute came from {client}",
                "level": "WARN",
                "type": "SECURITY",
                "service": SERVICE,
                "meta": {"client.address": client},
                "key": f"wrong-tokens {client}",
            }
        )

    return Attempts(counts=board.vitals.tokens_refused, on_guessing=say)


def broadcast_of(board: Opsboard) -> EventBroadcast:
    """What streams the events of a board, and tells when its samples were folded."""
    return EventBroadcast(board.event_feed, lambda: board.rollups.checkpoint)
