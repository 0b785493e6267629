"""Signing in and out, for the page."""

from collections.abc import Sequence
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl, quote

import msgspec
from litestar import Request, Response, delete, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from ...domain.instant import NS_PER_SECOND, format_instant
from ...domain.validation import InvalidInput
from .auth import Tokens
from .body import read_body, require_json
from .event_routes import READ
from .headers import Headers, by_name
from .middleware import Receive, Scope, Send
from .parameters import refuse_parameters
from .same_origin import refuse_other_sites
from .session import LIFETIME_SECONDS, Session, Sessions, set_cookie

MAX_BODY_BYTES = 8_192

_FORM = b"application/x-www-form-urlencoded"
_encode = msgspec.json.Encoder().encode


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /session` takes."""

    token: Annotated[
        str, msgspec.Meta(description="the read token, or the API token for a page that may write")
    ]


class SessionBody(msgspec.Struct, frozen=True):
    """What whoever asks may do; `expires` is None without a session.

    `writes_open` says whether anybody may write at all.
    """

    may_read: bool
    may_write: bool
    writes_open: bool
    expires: str | None


_decode = msgspec.json.Decoder(SignIn).decode


class SignInWithToken:
    """`POST /session` as plain ASGI, since it takes a form as well as JSON."""

    def __init__(self, tokens: Tokens, sessions: Sessions) -> None:
        """Give a session to those who have one of the tokens."""
        self._tokens = tokens
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the cookie; errors are raised, and answered as problems."""
        headers = by_name(scope["headers"])
        refuse_parameters(scope["query_string"])
        refuse_other_sites(headers)
        is_form = headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == _FORM
        if not is_form:
            require_json(headers)
        body = await read_body(headers, receive, MAX_BODY_BYTES)
        token = _of_form(body) if is_form else _of_json(body)
        may_write = self._tokens.rights_of(token.encode(), headers, scope)
        value, session = self._sessions.issue(may_write=may_write)
        body = _encode(SessionBody(True, may_write, self._tokens.writes_open, _end_of(session)))
        cookie = _cookie(scope, headers, value, LIFETIME_SECONDS)
        if is_form:
            home = scope.get("root_path", "") + "/"
            await _answer(send, 303, b"", [cookie, (b"location", home.encode())])
        else:
            content_type = (b"content-type", b"application/json")
            await _answer(send, 200, body, [cookie, content_type])


def session_routes(tokens: Tokens, sessions: Sessions) -> Sequence[HTTPRouteHandler]:
    """`/session`."""

    def answer_raw(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
        return SignInWithToken(tokens, sessions)

    @route("/session", http_method=["OPTIONS"], include_in_schema=False)
    async def say_what_is_allowed() -> Response[None]:
        """Stands first: Litestar's own would name the methods of the next handler alone."""
        allowed = "DELETE, GET, HEAD, OPTIONS, POST"
        return Response(None, status_code=204, headers={"Allow": allowed})

    @post("/session", status_code=200, middleware=[answer_raw], tags=["session"])
    async def sign_in(data: JSONBody[SignIn]) -> SessionBody:  # noqa: ARG001
        """Sign a browser in: sets a cookie that stands for the token, without being it."""
        raise AssertionError("answered by SignInWithToken, which stands before this description")

    @route("/session", http_method=READ, tags=["session"])
    async def get_session(request: Request[Any, Any, Any]) -> SessionBody:
        """What whoever asks may do."""
        scope = cast(Scope, request.scope)
        headers = by_name(scope["headers"])
        session = sessions.find(headers)
        return SessionBody(
            tokens.may_read(headers, scope),
            tokens.may_write(headers, scope),
            tokens.writes_open,
            None if session is None else _end_of(session),
        )

    @delete("/session", tags=["session"])
    async def sign_out(request: Request[Any, Any, Any]) -> Response[None]:
        """Sign the browser out: it forgets the cookie."""
        headers = by_name(list(request.scope["headers"]))
        refuse_other_sites(headers)
        _, cookie = _cookie(cast(Scope, request.scope), headers, "", 0)
        return Response(None, status_code=204, headers={"Set-Cookie": cookie.decode()})

    return [say_what_is_allowed, sign_in, get_session, sign_out]


def _end_of(session: Session) -> str:
    return format_instant(session.expires_at * NS_PER_SECOND)


def _cookie(scope: Scope, headers: Headers, value: str, seconds: int) -> tuple[bytes, bytes]:
    """The cookie for where this app lies; only over TLS where the browser came over TLS."""
    proxied = headers.get(b"x-forwarded-proto", b"").partition(b",")[0].strip()
    secure = b"https" in {scope.get("scheme", "").encode(), proxied}
    path = quote(scope.get("root_path", "")) or "/"
    return b"set-cookie", set_cookie(value, seconds, path=path, secure=secure).encode()


def _of_json(body: bytes) -> str:
    try:
        return _decode(body).token
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidInput.of("/token", 'must be a string: send {"token": "..."}') from error


def _of_form(body: bytes) -> str:
    given = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    if [name for name, _ in given] != ["token"]:
        raise InvalidInput.of("/token", "must be the only field, given once")
    return given[0][1]


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
