"""Request headers by name."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ...application.record import checked_key

Headers: TypeAlias = Mapping[bytes, bytes]

_GIVEN_ONCE = (
    b"x-ops-token",
    b"authorization",
    b"idempotency-key",
    b"content-type",
    b"content-encoding",
)


def by_name(raw: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers of a scope by their names.

    One that may be given once and is given again counts as empty, which is taken nowhere: a proxy
    may have looked at the one, and this server at the other.
    """
    headers = dict(raw)
    if len(headers) < len(raw):
        names = [name for name, _ in raw]
        headers.update((name, b"") for name in _GIVEN_ONCE if names.count(name) > 1)
    return headers


def idempotency_key(headers: Headers) -> str | None:
    """The key that the request names, if any. Raises `InvalidInput` where it can be none."""
    raw = headers.get(b"idempotency-key")
    return None if raw is None else checked_key(raw.decode("latin-1"))
