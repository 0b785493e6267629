"""What a setting says where it can not work; apart, for those that have no server."""

import os

from ..domain.secret_keys import USUAL, SecretKeys

MAX_SERVICE_LENGTH = 80
SECRET_KEYS = "OPS_SECRET_KEYS"  # noqa: S105 - the name of the variable


class SettingError(ValueError):
    """A setting that can not work; the text names it."""


def checked_token(name: str, token: str) -> str:
    """The token, where it can be sent in a header. Raises `SettingError` naming the setting."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(f"{name}: must be printable ASCII without spaces, and not empty")
    return token


def checked_service(service: str) -> str:
    """The name of a service, where a board takes it. Raises `SettingError`."""
    if not 1 <= len(service) <= MAX_SERVICE_LENGTH or not service.isprintable():
        raise SettingError(f"service: must be 1-{MAX_SERVICE_LENGTH} printable characters")
    return service


def checked_secret_keys(given: str | None, name: str = SECRET_KEYS) -> SecretKeys:
    """Which keys of `meta` name secrets: what is given, or the environment says.

    Raises `SettingError` naming the setting.
    """
    text, name = (given, name) if given is not None else (os.environ.get(SECRET_KEYS), SECRET_KEYS)
    try:
        return SecretKeys.parse(text) if text else USUAL
    except ValueError as error:
        raise SettingError(f"{name}: {error}") from error
