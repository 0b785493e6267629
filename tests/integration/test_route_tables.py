"""The latency middleware around frameworks that leave no route in the scope."""

from typing import Any
from wsgiref.util import setup_testing_defaults

import httpx
import opsboard
import pytest
import quart
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from opsboard.adapters.http.route_tables import route_table
from starlette.middleware.gzip import GZipMiddleware

from .test_middleware import Seen, client, seen

__all__ = ["seen"]


def item(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse("an item")


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a bug")


urlpatterns = [
    path("items/<int:id>/", item),
    path("plain", item),
    path("fails", fails),
    path("api/<slug:team>/", include([path("items/<uuid:id>", item)])),
    re_path(r"^old/(?P<year>[0-9]{4})/(?:page-(\d+)/)?$", item),
]


@pytest.fixture(scope="module")
def django_app() -> Any:
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], SECRET_KEY="x", DATABASES={}
    )
    return ASGIHandler()


def quart_app() -> Any:
    app = quart.Quart(__name__, static_folder=None)

    @app.get("/items/<int:id>")
    @app.get("/<any(a, b):kind>/<path:rest>")
    async def item(**_: object) -> str:
        return "an item"

    @app.get("/fails")
    async def fails() -> str:
        raise RuntimeError("a bug")

    return app


async def rows(app: Any, seen: Seen, *paths: str) -> list[tuple[str, int]]:
    async with client(opsboard.LatencyMiddleware(app, service="s", to=seen)) as http:
        for each in paths:
            await http.get(each)
    return [(route, status) for route, _, status in seen.rows()]


@pytest.mark.parametrize("wrap", [lambda app: app, GZipMiddleware, lambda app: app.asgi_app])
async def test_quart(seen: Seen, wrap: Any) -> None:
    found = await rows(
        wrap(quart_app()), seen, "/items/1", "/items/2", "/a/b/c", "/fails", "/nope/1", "/items/x"
    )
    assert found == [
        ("/items/{id}", 200),
        ("/items/{id}", 200),
        ("/{kind}/{rest}", 200),
        ("/fails", 500),
        ("(unmatched)", 404),
        ("(unmatched)", 404),
    ]


async def test_quart_tells_methods_apart(seen: Seen) -> None:
    async with client(opsboard.LatencyMiddleware(quart_app(), service="s", to=seen)) as http:
        await http.put("/items/1")
        await http.head("/items/1")
    assert seen.rows() == [("(unmatched)", "PUT", 405), ("/items/{id}", "HEAD", 200)]


async def test_quart_in_its_own_way(seen: Seen) -> None:
    app = quart_app()
    app.asgi_app = opsboard.LatencyMiddleware(app.asgi_app, service="s", to=seen)
    async with client(app) as http:
        await http.get("/items/1")
    assert seen.rows() == [("/items/{id}", "GET", 200)]


@pytest.mark.parametrize("wrap", [lambda app: app, GZipMiddleware])
async def test_django(seen: Seen, django_app: Any, wrap: Any) -> None:
    found = await rows(
        wrap(django_app),
        seen,
        "/items/1/",
        "/plain",
        "/api/red/items/6a2f41a3-c54c-4a6c-8a5e-1f2f3a4b5c6d",
        "/old/2019/",
        "/fails",
        "/nope/1",
        "/items/x/",
    )
    assert found == [
        ("/items/{id}/", 200),
        ("/plain", 200),
        ("/api/{team}/items/{id}", 200),
        ("/old/{year}/", 200),
        ("/fails", 500),
        ("(unmatched)", 404),
        ("(unmatched)", 404),
    ]


async def test_below_a_root_path(seen: Seen, django_app: Any) -> None:
    for app, template in ((quart_app(), "/items/{id}"), (django_app, "/items/{id}/")):
        middleware = opsboard.LatencyMiddleware(app, service="s", to=seen)
        transport = httpx.ASGITransport(middleware, root_path="/root")
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            assert (await http.get("/root" + template.replace("{id}", "1"))).status_code == 200
        assert seen.rows()[-1][0] == template


def test_an_app_without_a_table_has_none() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        return

    assert route_table(bare) is None
    assert route_table(GZipMiddleware(bare)) is None


def test_django_over_wsgi(seen: Seen, django_app: Any) -> None:
    """Its own table is asked again, with paths as WSGI has them."""
    app = opsboard.WsgiLatencyMiddleware(WSGIHandler(), service="s", to=seen)
    for each in ("/items/1/", "/api/a-b/items/6a2f41a3-c54c-4a6c-8a5e-1f2f3a4b5c6d", "/nope/é"):
        environ: dict[str, Any] = {"PATH_INFO": each.encode().decode("latin-1"), "SCRIPT_NAME": ""}
        setup_testing_defaults(environ)
        body = app(environ, lambda *_: lambda _: None)
        assert b"".join(body)
        if hasattr(body, "close"):
            body.close()
    assert [(route, status) for route, _, status in seen.rows()] == [
        ("/items/{id}/", 200),
        ("/api/{team}/items/{id}", 200),
        ("(unmatched)", 404),
    ]
