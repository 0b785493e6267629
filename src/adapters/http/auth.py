"""Who may write, and who may read."""

import base64
import binascii
import hmac
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from .attempts import Attempts
from .client_address import client_address
from .headers import Headers, by_name
from .middleware import Scope
from .problems import Unauthorized, WritesClosed
from .same_origin import require_own_page
from .session import Sessions

_CHALLENGE = {"www-authenticate": 'Bearer realm="opsboard"'}


class Tokens:
    """The configured tokens; whatever is not clearly allowed is refused.

    A read token is also taken as the password of HTTP Basic, so that a browser asks for it once,
    and a browser that has signed in has a session in the place of a token.
    """

    def __init__(
        self,
        api_token: str | None,
        read_token: str | None,
        sessions: Sessions | None = None,
        attempts: Attempts | None = None,
    ) -> None:
        """Without an API token nobody may write; without a read token everybody may read.

        `attempts` counts the tokens that are wrong.
        """
        self._api = api_token.encode() if api_token else None
        self._read = read_token.encode() if read_token else None
        self._sessions = sessions or Sessions(api_token, read_token)
        self._attempts = attempts or Attempts()

    @property
    def writes_open(self) -> bool:
        """Whether anybody may write at all."""
        return self._api is not None

    @property
    def reads_open(self) -> bool:
        """Whether everybody may read."""
        return self._read is None

    def allow_write(self, headers: Headers, scope: Scope) -> None:
        """Raises `WritesClosed` where no token is configured, `Unauthorized` for a wrong one.

        Raises `CrossOrigin` where a session may write, but not from where the request comes, and
        `TooManyAttempts`.
        """
        if self._api is None:
            raise WritesClosed("Writing is closed: the server was started without OPS_API_TOKEN.")
        if self._is_api(_presented(headers), headers, scope):
            return
        if not self._session_may_write(headers):
            self._note_wrong(_presented(headers), headers, scope)
            raise _unauthorized("Writing needs the token, as X-Ops-Token or Bearer.")
        require_own_page(headers)

    def allow_read(self, headers: Headers, scope: Scope) -> None:
        """Raises `Unauthorized` where a read token is configured and neither token is presented.

        Raises `TooManyAttempts`.
        """
        if not self.may_read(headers, scope):
            raise _unauthorized("Reading needs a token, as X-Ops-Token or Bearer.")

    def may_read(self, headers: Headers, scope: Scope) -> bool:
        """Whether `allow_read` lets it pass. Raises `TooManyAttempts`."""
        if self._read is None:
            return True
        presented = _presented(headers) or _basic_password(headers)
        if self._is_any(presented, headers, scope) or self._sessions.find(headers) is not None:
            return True
        self._note_wrong(presented, headers, scope)
        return False

    def may_write(self, headers: Headers, scope: Scope) -> bool:
        """Whether `allow_write` lets it pass, if it comes from the server's own page.

        Raises `TooManyAttempts`.
        """
        if self._api is None:
            return False
        presented = _presented(headers)
        if self._is_api(presented, headers, scope) or self._session_may_write(headers):
            return True
        self._note_wrong(presented, headers, scope)
        return False

    def rights_of(self, token: bytes, headers: Headers, scope: Scope) -> bool:
        """Whether a token is one to write with. Raises `Unauthorized` where it is none at all.

        Raises `TooManyAttempts`.
        """
        if not self._is_any(token, headers, scope):
            self._note_wrong(token, headers, scope)
            raise Unauthorized("The token is wrong.", dict(_CHALLENGE))
        return self._api is not None and _same(token, self._api)

    def _is_api(self, presented: bytes, headers: Headers, scope: Scope) -> bool:
        """Whether it is the token to write with, for a client that is listened to."""
        if not presented or self._api is None:
            return False
        self._listen_to(headers, scope)
        return _same(presented, self._api)

    def _is_any(self, presented: bytes, headers: Headers, scope: Scope) -> bool:
        """The same for either token; it takes as long, whichever it is."""
        if not presented:
            return False
        self._listen_to(headers, scope)
        return self._is_known(presented)

    def _is_known(self, presented: bytes) -> bool:
        known = [token for token in (self._read, self._api) if token is not None]
        return sum(_same(presented, token) for token in known) > 0

    def _listen_to(self, headers: Headers, scope: Scope) -> None:
        """Raises `TooManyAttempts` for a client that is guessing, whatever it presents."""
        if self._attempts.some_failed:
            self._attempts.allow(client_address(scope, headers))

    def _note_wrong(self, presented: bytes, headers: Headers, scope: Scope) -> None:
        """Count a token that is none here. Raises `TooManyAttempts`."""
        if presented and not self._is_known(presented):
            self._attempts.fail(client_address(scope, headers), presented)

    def _session_may_write(self, headers: Headers) -> bool:
        session = self._sessions.find(headers)
        return session is not None and session.may_write

    def reading(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """The guard of the routes that read."""
        scope = cast(Scope, connection.scope)
        self.allow_read(by_name(scope["headers"]), scope)


def _same(presented: bytes, expected: bytes) -> bool:
    return hmac.compare_digest(presented, expected)


def _presented(headers: Headers) -> bytes:
    token = headers.get(b"x-ops-token")
    if token is not None:
        return token
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    return credentials.strip() if scheme.lower() == b"bearer" else b""


def _basic_password(headers: Headers) -> bytes:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _unauthorized(detail: str) -> Unauthorized:
    return Unauthorized(detail, dict(_CHALLENGE))
