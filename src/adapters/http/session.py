"""Sessions of browsers: a signed cookie, which says what its bearer may do and until when.

The key is made of a secret that the store keeps and of the tokens. So a session survives a restart,
holds in every process over the same store, and ends when a token is changed; and whoever has a
cookie can not find a token out by trying, since the secret is missing.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

import msgspec

from ...application.errors import OpsboardError
from ...application.ports import Store
from .headers import Headers

COOKIE = "opsboard_session"
LIFETIME_SECONDS = 7 * 86_400
SETTING = "session_secret"

_COOKIE = re.compile(
    rb"(?:^|;) *opsboard_session=(1\.[rw]\.\d{1,12}\.[0-9a-f]{32})\.([0-9a-f]{64})"
)


class Session(msgspec.Struct, frozen=True):
    """What a browser may do, until a time in seconds since 1970."""

    may_write: bool
    expires_at: int


class Sessions:
    """Gives out sessions, and knows its own again."""

    def __init__(
        self,
        api_token: str | None,
        read_token: str | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """For these tokens; `now` gives seconds since 1970."""
        tokens = [(token or "").encode() for token in (api_token, read_token)]
        self._tokens = b"".join(b"%d:%b" % (len(token), token) for token in tokens)
        self._now = now
        self._are_wanted = any(tokens)
        self._key = secrets.token_bytes(32)

    async def take_secret(self, store: Store) -> None:
        """Take the store's secret, making one if it has none.

        Where the store fails, sessions end with this process.
        """
        if not self._are_wanted:
            return
        try:
            secret = await store.setting(SETTING)
            if secret is None:
                await store.keep_setting(SETTING, secrets.token_hex(32))
                secret = await store.setting(SETTING)
        except OpsboardError:
            return
        self._key = hmac.digest(str(secret).encode(), self._tokens, hashlib.sha256)

    def issue(self, *, may_write: bool) -> tuple[str, Session]:
        """A new session, and the value of its cookie."""
        session = Session(may_write, int(self._now()) + LIFETIME_SECONDS)
        right = "w" if may_write else "r"
        said = f"1.{right}.{session.expires_at}.{secrets.token_hex(16)}"
        return f"{said}.{self._signature(said.encode())}", session

    def find(self, headers: Headers) -> Session | None:
        """The session that a request has; None where it has none, or one that is over."""
        found = _COOKIE.search(headers.get(b"cookie", b""))
        if found is None or not hmac.compare_digest(self._signature(found[1]).encode(), found[2]):
            return None
        _, right, expires_at, _ = found[1].split(b".")
        session = Session(right == b"w", int(expires_at))
        return session if self._now() < session.expires_at else None

    def _signature(self, said: bytes) -> str:
        return hmac.digest(self._key, said, hashlib.sha256).hex()


def set_cookie(value: str, seconds: int, *, path: str, secure: bool) -> str:
    """The header that makes a browser keep the cookie, or forget it after 0 seconds.

    No script can read it, and no other site's page makes the browser send it.
    """
    cookie = f"{COOKIE}={value}; Max-Age={seconds}; Path={path}; HttpOnly; SameSite=Strict"
    return f"{cookie}; Secure" if secure else cookie
