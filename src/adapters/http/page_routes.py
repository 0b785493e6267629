"""What a browser sees: the dashboard at `/`, a page without scripts, and the API document."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from ...application.board import Opsboard
from .auth import Tokens
from .dashboard_routes import dashboard_routes
from .event_bodies import EventBody
from .headers import by_name
from .middleware import Scope
from .openapi import operations
from .openapi_completion import completed
from .problems import Unauthorized
from .security_headers import PAGE_CSP

EVENTS_SHOWN = 20

_FOLDER = Path(__file__).parent / "pages"


def page_routes(board: Opsboard, tokens: Tokens, version: str) -> Sequence[HTTPRouteHandler]:
    """`/` and the dashboard's files, `/plain`, `/docs`, `/openapi.json` and the style sheet."""
    templates = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
    )
    css = (_FOLDER / "page.css").read_text()

    def page(name: str, **values: Any) -> Response[str]:
        html = templates.get_template(name).render(version=version, **values)
        headers = {"Content-Security-Policy": PAGE_CSP}
        return Response(html, media_type=MediaType.HTML, headers=headers)

    async def plain_page(request: Request[Any, Any, Any]) -> Response[str]:
        _ask_in_the_browser(tokens, request)
        snapshot = await board.metrics()
        newest = await board.event_queries.search(limit=EVENTS_SHOWN)
        events = [EventBody.of(event) for event in newest.events]
        return page("index.html", snapshot=snapshot, events=events, tokens=tokens)

    @route("/plain", http_method=["GET", "HEAD"], include_in_schema=False)
    async def plain(request: Request[Any, Any, Any]) -> Response[str]:
        return await plain_page(request)

    @route(
        "/openapi.json",
        http_method=["GET", "HEAD"],
        guards=[tokens.reading],
        include_in_schema=False,
    )
    async def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
        schema = completed(request.app.openapi_schema.to_schema(), reads_are_open=tokens.reads_open)
        place = {"url": request.scope.get("root_path") or "/"}
        schema = {**schema, "servers": [place]}
        return Response(msgspec.json.encode(schema), media_type="application/json")

    @route("/docs", http_method=["GET", "HEAD"], include_in_schema=False)
    async def viewer(request: Request[Any, Any, Any]) -> Response[str]:
        _ask_in_the_browser(tokens, request)
        schema = request.app.openapi_schema.to_schema()
        return page("docs.html", info=schema["info"], operations=operations(schema))

    @route("/page.css", http_method=["GET", "HEAD"], include_in_schema=False)
    async def style_sheet() -> Response[str]:
        return Response(css, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    return [*dashboard_routes(plain_page), plain, openapi_document, viewer, style_sheet]


def _ask_in_the_browser(tokens: Tokens, request: Request[Any, Any, Any]) -> None:
    """Let the browser itself ask for the read token: it does so once, and keeps it."""
    try:
        scope = cast(Scope, request.scope)
        tokens.allow_read(by_name(scope["headers"]), scope)
    except Unauthorized as refused:
        basic = 'Basic realm="opsboard: any user name, the read token as password", charset="UTF-8"'
        raise Unauthorized(str(refused), {"www-authenticate": basic}) from refused
