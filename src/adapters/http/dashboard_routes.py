"""`/` and the dashboard's files."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from litestar import Request, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from .built_page import BuiltFile, Dashboard
from .health_routes import OK
from .negotiation import preferred
from .security_headers import DASHBOARD_CSP

ASSET_SECONDS = 31_536_000

AnyRequest: TypeAlias = Request[Any, Any, Any]
PlainPage: TypeAlias = Callable[[AnyRequest], Awaitable[Response[str]]]


def dashboard_routes(plain_page: PlainPage) -> Sequence[HTTPRouteHandler]:
    """`/` and `/assets/{name}`; where the dashboard was not built, `/` is the plain page."""
    dashboard = Dashboard.read()

    @route("/", http_method=["GET", "HEAD"], tags=["health"])
    async def index(request: AnyRequest) -> Response[Any]:
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

    @route("/assets/{name:str}", http_method=["GET", "HEAD"], include_in_schema=False)
    async def asset(name: FromPath[str], request: AnyRequest) -> Response[bytes]:
        found = dashboard.assets.get(name) if dashboard is not None else None
        if found is None:
            raise NotFoundException
        headers = {"Cache-Control": f"public, max-age={ASSET_SECONDS}, immutable"}
        return _built(found, request, {**headers, "Vary": "Accept-Encoding"})

    return [index, asset]


def _built(file: BuiltFile, request: AnyRequest, headers: dict[str, str]) -> Response[bytes]:
    """A built file, compressed for those that take it."""
    accepted = ",".join(request.headers.getall("accept-encoding", []))
    if "gzip" not in accepted:
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(file.compressed, media_type=file.media_type, headers=headers)
