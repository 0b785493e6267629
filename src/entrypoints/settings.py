"""What can be set, by environment variables and flags, and what can not work."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import msgspec

DEFAULT_STORE = "sqlite:///ops.db"
MAX_PORT = 65_535
KEEP_FOREVER = "forever"

_PORT = re.compile(r"[0-9]{1,5}")


class SettingError(ValueError):
    """A setting that can not work; the text names it."""


class StoreUrl(msgspec.Struct, frozen=True):
    """Where the journal lies: an engine, and a path for those that have one."""

    engine: str
    path: Path | None

    @classmethod
    def parse(cls, text: str, name: str = "OPS_STORE") -> "StoreUrl":
        """`memory:`, or `sqlite:///relative.db` and `sqlite:////absolute.db`.

        Raises `SettingError` naming the setting.
        """
        if text == "memory:":
            return cls("memory", None)
        scheme, separator, path = text.partition(":///")
        if scheme == "sqlite" and separator and path and "\0" not in unquote(path):
            return cls("sqlite", Path(unquote(path)))
        raise SettingError(f"{name}: {text!r} is neither memory: nor sqlite:///PATH")

    def __str__(self) -> str:
        """As a person would write it."""
        return "memory:" if self.path is None else f"{self.engine}:///{self.path}"


class Settings(msgspec.Struct, frozen=True):
    """Everything that can be set, checked."""

    store: StoreUrl
    host: str = "127.0.0.1"
    port: int = 8000
    api_token: str | None = None
    read_token: str | None = None
    retention: str = KEEP_FOREVER

    @classmethod
    def load(cls, values: Mapping[str, str]) -> "Settings":
        """The settings in a mapping of `OPS_...` names; what is not there has its default.

        Raises `SettingError` naming the first that can not work.
        """
        return cls(
            store=StoreUrl.parse(values.get("OPS_STORE") or DEFAULT_STORE),
            host=_host(values.get("OPS_HOST") or "127.0.0.1"),
            port=_port(values.get("OPS_PORT") or "8000"),
            api_token=_token("OPS_API_TOKEN", values),
            read_token=_token("OPS_READ_TOKEN", values),
            retention=_retention(values.get("OPS_RETENTION") or KEEP_FOREVER),
        )


def _host(text: str) -> str:
    if not text.isprintable() or any(c.isspace() or c == "/" for c in text):
        raise SettingError(f"OPS_HOST: {text!r} is no host name or address")
    return text


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None or int(text) > MAX_PORT:
        raise SettingError(f"OPS_PORT: {text!r} is no port number (0-65535; 0 takes a free one)")
    return int(text)


def _retention(text: str) -> str:
    """Refuse what would not be done: a setting that is taken and ignored is worse than none."""
    if text != KEEP_FOREVER:
        raise SettingError(
            f"OPS_RETENTION: {text!r} can not be kept: this version removes no entry, "
            f"so the only value is {KEEP_FOREVER!r}"
        )
    return text


def _token(name: str, values: Mapping[str, str]) -> str | None:
    given = values.get(name)
    return None if given is None else checked_token(name, given)


def checked_token(name: str, token: str) -> str:
    """The token, where it can be sent in a header. Raises `SettingError` naming the setting."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(f"{name}: must be printable ASCII without spaces, and not empty")
    return token
