"""The headers that every answer carries, so that a browser trusts it with as little as possible."""

from collections.abc import Iterable
from typing import TypeAlias

Header: TypeAlias = tuple[bytes, bytes]

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_UNLESS_GIVEN = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_OPTIONAL = frozenset(name for name, _ in _UNLESS_GIVEN)
SECURITY_HEADERS = (*_ALWAYS, *_UNLESS_GIVEN)
"""What an answer carries that no app has made."""
PAGE_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
DASHBOARD_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Trusted types: no text can become markup, whatever a script does with it."""


def security_headers(given: Iterable[Header]) -> Iterable[Header]:
    """What an answer with these headers lacks; a page that needs more brings its own policy."""
    names = dict(given)
    if _OPTIONAL.isdisjoint(names):
        return SECURITY_HEADERS
    return [*_ALWAYS, *(header for header in _UNLESS_GIVEN if header[0] not in names)]
