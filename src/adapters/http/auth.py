"""Who may write, and who may read."""

import base64
import binascii
import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from .headers import Headers, by_name
from .problems import Unauthorized, WritesClosed


class Tokens:
    """The configured tokens; whatever is not clearly allowed is refused.

    A read token is also taken as the password of HTTP Basic, so that a browser asks for it once.
    """

    def __init__(self, api_token: str | None, read_token: str | None) -> None:
        """Without an API token nobody may write; without a read token everybody may read."""
        self._api = api_token.encode() if api_token else None
        self._read = read_token.encode() if read_token else None

    @property
    def writes_open(self) -> bool:
        """Whether anybody may write at all."""
        return self._api is not None

    def allow_write(self, headers: Headers) -> None:
        """Raises `WritesClosed` where no token is configured, `Unauthorized` for a wrong one."""
        if self._api is None:
            raise WritesClosed("Writing is closed: the server was started without OPS_API_TOKEN.")
        if not _same(_presented(headers), self._api):
            raise _unauthorized("Writing needs the token, as X-Ops-Token or Bearer.")

    def allow_read(self, headers: Headers) -> None:
        """Raises `Unauthorized` where a read token is configured and neither token is presented."""
        if self._read is None:
            return
        presented = _presented(headers) or _basic_password(headers)
        allowed = _same(presented, self._read)
        if self._api is not None:
            allowed |= _same(presented, self._api)
        if not allowed:
            raise _unauthorized("Reading needs a token, as X-Ops-Token or Bearer.")

    def reading(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """The guard of the routes that read."""
        self.allow_read(by_name(list(connection.scope["headers"])))


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
    return Unauthorized(detail, {"www-authenticate": 'Bearer realm="opsboard"'})
