"""The server that samples and events go to."""

from typing import NamedTuple, Self
from urllib.parse import urlsplit


class Address(NamedTuple):
    """A server's URL, in parts; `path` is what precedes opsboard's own paths."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """`http://host:8000`, `https://host/ops`. Raises `ValueError` that says what is wrong."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("is no http:// or https:// URL with a host")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("must hold a host, a port and a path only; tokens go into token=")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("must be printable ASCII without spaces")
        secure = parts.scheme == "https"
        port = (443 if secure else 80) if parts.port is None else parts.port
        return cls(secure, parts.hostname, port, parts.path.rstrip("/"))

    def __str__(self) -> str:
        """As a person would write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.secure}://{host}:{self.port}{self.path}"
