"""What a setting says where it can not work; apart, for those that have no server."""


class SettingError(ValueError):
    """A setting that can not work; the text names it."""


def checked_token(name: str, token: str) -> str:
    """The token, where it can be sent in a header. Raises `SettingError` naming the setting."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(f"{name}: must be printable ASCII without spaces, and not empty")
    return token
