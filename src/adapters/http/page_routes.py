"""What a browser sees: the dashboard at `/`, a page without scripts, and the API document."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from ...application.board import Opsboard
from .auth import Tokens
from .built_page import BuiltFile, Dashboard
from .event_bodies import EventBody
from .headers import by_name
from .health_routes import OK
from .negotiation import preferred
from .openapi import operations
from .problems import Unauthorized
from .security_headers import DASHBOARD_CSP, PAGE_CSP

EVENTS_SHOWN = 20
ASSET_SECONDS = 31_536_000

_FOLDER = Path(__file__).parent / "pages"


def page_routes(board: Opsboard, tokens: Tokens, version: str) -> Sequence[HTTPRouteHandler]:
    """`/`, `/plain`, `/docs`, `/openapi.json`, and what the pages need.

    Where the dashboard was not built, the plain page stands in its place.
    """
    dashboard = Dashboard.read()
    templates = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined
    )
    css = (_FOLDER / "page.css").read_text()

    def page(name: str, **values: Any) -> Response[str]:
        html = templates.get_template(name).render(version=version, **values)
        headers = {"Content-Security-Policy": PAGE_CSP}
        return Response(html, media_type=MediaType.HTML, headers=headers)

    @route("/", http_method=["GET", "HEAD"], tags=["health"])
    async def index(request: Request[Any, Any, Any]) -> Response[Any]:
        """`{"ok": true}`; for a browser, the page."""
        accept = ",".join(request.headers.getall("accept", []))
        if preferred(accept, ["application/json", "text/html"]) != "text/html":
            return Response(OK, headers={"Vary": "Accept"})
        if dashboard is not None:
            headers = {"Content-Security-Policy": DASHBOARD_CSP, "Vary": "Accept, Accept-Encoding"}
            return _built(dashboard.page, request, headers)
        answer = await plain_page(request)
        answer.headers["Vary"] = "Accept"
        return answer

    @route("/plain", http_method=["GET", "HEAD"], include_in_schema=False)
    async def plain(request: Request[Any, Any, Any]) -> Response[str]:
        return await plain_page(request)

    async def plain_page(request: Request[Any, Any, Any]) -> Response[str]:
        _ask_in_the_browser(tokens, request)
        snapshot = await board.metrics()
        newest = await board.event_queries.search(limit=EVENTS_SHOWN)
        events = [EventBody.of(event) for event in newest.events]
        return page("index.html", snapshot=snapshot, events=events, tokens=tokens)

    @route("/assets/{name:str}", http_method=["GET", "HEAD"], include_in_schema=False)
    async def asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        found = dashboard.assets.get(name) if dashboard is not None else None
        if found is None:
            raise NotFoundException
        headers = {"Cache-Control": f"public, max-age={ASSET_SECONDS}, immutable"}
        return _built(found, request, {**headers, "Vary": "Accept-Encoding"})

    @route(
        "/openapi.json",
        http_method=["GET", "HEAD"],
        guards=[tokens.reading],
        include_in_schema=False,
    )
    async def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
        schema = request.app.openapi_schema.to_schema()
        return Response(msgspec.json.encode(schema), media_type="application/json")

    @route("/docs", http_method=["GET", "HEAD"], include_in_schema=False)
    async def viewer(request: Request[Any, Any, Any]) -> Response[str]:
        _ask_in_the_browser(tokens, request)
        schema = request.app.openapi_schema.to_schema()
        return page("docs.html", info=schema["info"], operations=operations(schema))

    @route("/page.css", http_method=["GET", "HEAD"], include_in_schema=False)
    async def style_sheet() -> Response[str]:
        return Response(css, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    return [index, plain, asset, openapi_document, viewer, style_sheet]


def _built(
    file: BuiltFile, request: Request[Any, Any, Any], headers: dict[str, str]
) -> Response[bytes]:
    """A built file, compressed for those that take it."""
    accepted = ",".join(request.headers.getall("accept-encoding", []))
    if "gzip" not in accepted:
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(file.compressed, media_type=file.media_type, headers=headers)


def _ask_in_the_browser(tokens: Tokens, request: Request[Any, Any, Any]) -> None:
    """Let the browser itself ask for the read token: it does so once, and keeps it."""
    try:
        tokens.allow_read(by_name(list(request.scope["headers"])))
    except Unauthorized as refused:
        basic = 'Basic realm="opsboard: any user name, the read token as password", charset="UTF-8"'
        raise Unauthorized(str(refused), {"www-authenticate": basic}) from refused
