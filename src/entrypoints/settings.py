"""What can be set, by environment variables and flags, and what can not work."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import msgspec

from ..application.cardinality import DEFAULT_MAX_SERIES
from ..domain.retention import Retention
from ..domain.secret_keys import USUAL, SecretKeys
from ..domain.validation import InvalidInput
from .setting_error import SECRET_KEYS, SettingError, checked_secret_keys, checked_token

__all__ = ["DEFAULT_STORE", "SettingError", "Settings", "StoreUrl", "checked_token"]

DEFAULT_STORE = "sqlite:///ops.db"
MAX_PORT = 65_535

MAX_SERIES_BOUND = 1_000_000

_PORT = re.compile(r"[0-9]{1,5}")


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
    retention: Retention | None = None
    max_series: int = DEFAULT_MAX_SERIES
    secret_keys: SecretKeys = USUAL

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
            retention=_retention(values.get("OPS_RETENTION")),
            max_series=_max_series(values.get("OPS_MAX_SERIES") or str(DEFAULT_MAX_SERIES)),
            secret_keys=checked_secret_keys(values.get(SECRET_KEYS, "")),
        )


def _host(text: str) -> str:
    if not text.isprintable() or any(c.isspace() or c == "/" for c in text):
        raise SettingError(f"OPS_HOST: {text!r} is no host name or address")
    return text


def _port(text: str) -> int:
    if _PORT.fullmatch(text) is None or int(text) > MAX_PORT:
        raise SettingError(f"OPS_PORT: {text!r} is no port number (0-65535; 0 takes a free one)")
    return int(text)


def _retention(text: str | None) -> Retention | None:
    try:
        return Retention.parse(text) if text else None
    except InvalidInput as error:
        raise SettingError(f"OPS_RETENTION: {error}") from error


def _max_series(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_SERIES_BOUND):
        raise SettingError(f"OPS_MAX_SERIES: {text!r} is no number from 1 to {MAX_SERIES_BOUND}")
    return int(text)


def _token(name: str, values: Mapping[str, str]) -> str | None:
    given = values.get(name)
    return None if given is None else checked_token(name, given)
