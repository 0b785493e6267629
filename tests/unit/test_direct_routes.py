import json
from typing import Any

from opsboard.adapters.http.direct_routes import DirectRoutes
from opsboard.adapters.http.middleware import Message, Receive, Scope, Send
from opsboard.domain.validation import InvalidInput


async def nothing() -> Message:
    raise AssertionError("nobody reads")


async def asked(app: DirectRoutes, **scope: Any) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"type": "http", "method": "POST", "path": "/events", "root_path": "", **scope}
    await app(given, nothing, send)
    return sent


def says(word: str) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": word, "template": scope.get("path_template")})

    return app


async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
    raise InvalidInput.of("/level", "is required")


async def test_an_exact_method_and_path_are_answered_directly() -> None:
    app = DirectRoutes(says("behind"), {("POST", "/events"): says("direct")})
    assert await asked(app) == [{"type": "direct", "template": "/events"}]


async def test_everything_else_goes_behind() -> None:
    app = DirectRoutes(says("behind"), {("POST", "/events"): says("direct")})
    behind = [{"type": "behind", "template": None}]
    assert await asked(app, method="GET") == behind
    assert await asked(app, path="/events/") == behind
    assert await asked(app, root_path="/ops") == behind
    assert await asked(app, type="lifespan") == behind


async def test_what_a_direct_route_raises_is_a_problem() -> None:
    start, body = await asked(DirectRoutes(says("behind"), {("POST", "/events"): refuses}))
    assert start["status"] == 400
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert json.loads(body["body"])["errors"] == [{"pointer": "/level", "detail": "is required"}]
