"""What a setting says where it can not work; apart, for those that have no server."""

MAX_SERVICE_LENGTH = 80


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
