"""The app whose workers are counted: it says which of them answered."""

import os

import opsboard
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def item(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(os.getpid()))


async def fails(_: Request) -> PlainTextResponse:
    raise RuntimeError("a bug")


app = Starlette(
    routes=[Route("/items/{id}", item, methods=["GET", "POST"]), Route("/fails", fails)]
)
app.add_middleware(opsboard.LatencyMiddleware, service="shop", to=os.environ["SHIP_TO"])
