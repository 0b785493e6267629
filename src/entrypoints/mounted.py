"""The whole API and page as an app to mount in one's own."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote, unquote

from .. import __version__
from ..adapters.http.app import create_app
from ..adapters.http.middleware import ASGIApp, Message, Receive, Scope, Send
from ..adapters.http.security_headers import SECURITY_HEADERS
from ..application.board import Opsboard
from ..application.errors import StoreUnusable
from .embedded import open_board
from .setting_error import SettingError, checked_token
from .settings import DEFAULT_STORE

_UNUSABLE = json.dumps(
    {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The store can not be opened; the log says why.",
    }
).encode()
_UNUSABLE_HEADERS = ((b"content-type", b"application/problem+json"), (b"retry-after", b"1"))

_log = logging.getLogger(__name__)


class MountedBoard:
    """An ASGI app over one store, which lives within another app's life.

    Frameworks do not run the lifespan of what is mounted. So the board is opened with the first
    request; `lifespan`, given to the outer app, opens it at the start and closes it at the end.
    """

    def __init__(
        self,
        store: str,
        retention: str,
        api_token: str | None,
        read_token: str | None,
        secret_keys: str | None,
    ) -> None:
        """Nothing is touched yet. Raises `SettingError` and `InvalidInput` as `open` does."""
        self.board: Opsboard
        """The board that the app is over; samples and events may be given to it."""
        self._store = store
        self._retention = retention
        self._api_token = api_token
        self._read_token = read_token
        self._secret_keys = secret_keys
        self._life: _Life | None = None
        self._unusable: StoreUnusable | None = None
        self._renew()

    def _renew(self) -> None:
        self.board = open_board(
            self._store, retention=self._retention, secret_keys=self._secret_keys
        )
        self._app = create_app(
            self.board,
            api_token=self._api_token,
            read_token=self._read_token,
            version=__version__,
            on_unusable=self._note,
        )

    def _note(self, error: StoreUnusable) -> None:
        self._unusable = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, once the board is open; or a lifespan, where a server runs it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        placed = _placed(scope)
        if placed["path"] == placed["root_path"] != "":
            await _answer(
                scope, send, 307, b"", (b"location", quote(placed["path"]).encode() + b"/")
            )
            return
        try:
            await self._opened()
        except StoreUnusable as error:
            _log.error("%s", error)
            await _answer(scope, send, 503, _UNUSABLE, *_UNUSABLE_HEADERS)
            return
        await self._app(placed, receive, send)

    @asynccontextmanager
    async def lifespan(self, _: Any = None) -> AsyncIterator[None]:
        """Open the board for as long as the context lasts. Raises `StoreUnusable`.

        It is what FastAPI and Starlette take as `lifespan=`, and Litestar in a list of them.
        """
        life = await self._opened()
        try:
            yield
        finally:
            await life.end()

    async def _opened(self) -> "_Life":
        """The life of the board on this loop, which begins here where there is none."""
        loop = asyncio.get_running_loop()
        if self._life is not None and (self._life.is_over or self._life.loop is not loop):
            self._life = None
            self._renew()
        if self._life is None:
            self._life = _Life(self._app, loop)
        try:
            await self._life.started()
        except StoreUnusable as error:
            raise self._unusable or error from error
        return self._life


class _Life:
    """One run of an app's lifespan, in a task of its own."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._started: asyncio.Future[None] = loop.create_future()
        self._ending = asyncio.Event()
        self._startup_is_told = False
        self._task = loop.create_task(self._run(app))

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def started(self) -> None:
        """Return when it serves. Raises `StoreUnusable`."""
        await asyncio.shield(self._started)

    async def end(self) -> None:
        """Return when everything is written and closed."""
        self._ending.set()
        await asyncio.wait([self._task])

    async def _run(self, app: ASGIApp) -> None:
        error: BaseException | None = None
        try:
            await app({"type": "lifespan", "state": {}}, self._receive, self._send)
        except Exception as raised:  # noqa: BLE001 - it is raised where the start is waited for
            error = raised
        if not self._started.done():
            reason = error if isinstance(error, StoreUnusable) else StoreUnusable(str(error))
            self._started.set_exception(reason)
            with suppress(StoreUnusable):
                await self._started
        elif error is not None:
            _log.error("the board could not be closed cleanly", exc_info=error)

    async def _receive(self) -> Message:
        if not self._startup_is_told:
            self._startup_is_told = True
            return {"type": "lifespan.startup"}
        await self._ending.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._started.set_result(None)


def _placed(scope: Scope) -> Scope:
    """The scope with a root path and the whole path, as ASGI has it.

    Litestar cuts what a mount matched from the path, and says nowhere what that was.
    """
    path, root_path = scope["path"], scope.get("root_path", "")
    whole = unquote(scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1"))
    if root_path or whole == path:
        return {**scope, "root_path": root_path}
    below = path.rstrip("/")
    prefix = whole.rstrip("/").removesuffix(below)
    if not prefix.startswith("/") or not whole.rstrip("/").endswith(below):
        return {**scope, "root_path": root_path}
    return {**scope, "path": whole, "root_path": prefix}


async def _answer(
    scope: Scope, send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    if scope["type"] != "http":
        return
    length = (b"content-length", b"%d" % len(body))
    answered = [length, *headers, *SECURITY_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": answered})
    await send({"type": "http.response.body", "body": body})


def asgi(
    store: str = DEFAULT_STORE,
    *,
    retention: str = "",
    api_token: str | None = None,
    read_token: str | None = None,
    secret_keys: str | None = None,
) -> MountedBoard:
    """The whole API and page over the store at a URL, to be mounted in another app.

    Tokens that are not given are those in `OPS_API_TOKEN` and `OPS_READ_TOKEN`, and `secret_keys`
    are what `OPS_SECRET_KEYS` says. Raises `SettingError` for what can not work.
    """
    return MountedBoard(
        store,
        retention,
        _token("api_token", api_token, "OPS_API_TOKEN"),
        _token("read_token", read_token, "OPS_READ_TOKEN"),
        secret_keys,
    )


def _token(name: str, given: str | None, variable: str) -> str | None:
    if given is not None:
        return checked_token(name, given)
    named = os.environ.get(variable)
    if named == "":
        raise SettingError(f"{variable}: must not be empty")
    return None if named is None else checked_token(variable, named)
