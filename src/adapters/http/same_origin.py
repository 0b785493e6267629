"""Whether a request that a cookie vouches for comes from this server's own page.

A browser sends the cookie along with whatever makes it ask, so the cookie alone proves nothing.
The header `X-Ops-CSRF` can be set by a script of the same origin only: for any other, the browser
asks beforehand, and no answer here allows it (OWASP, "Cross-Site Request Forgery Prevention",
custom request headers). `Sec-Fetch-Site` and `Origin`, which no script can set, have to agree.
"""

from http import HTTPStatus

from .headers import Headers
from .problems import HttpError

HEADER = "X-Ops-CSRF"


class CrossOrigin(HttpError):
    """Another site's page made the browser ask."""

    status = HTTPStatus.FORBIDDEN


def require_own_page(headers: Headers) -> None:
    """Raises `CrossOrigin` unless the request has the header, and comes from where it should."""
    if not headers.get(b"x-ops-csrf"):
        raise CrossOrigin(f"Writing with a session needs the header {HEADER}, with any value.")
    refuse_other_sites(headers)


def refuse_other_sites(headers: Headers) -> None:
    """Raises `CrossOrigin` where the browser says that another site's page asks.

    A browser tells `Sec-Fetch-Site` to servers with TLS and on its own machine, and `Origin` to
    every one; a client that is no browser tells neither.
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        is_own = site in {b"same-origin", b"none"}
    else:
        is_own = origin is None or origin.partition(b"://")[2] in _hosts(headers)
    if not is_own:
        raise CrossOrigin("The request comes from another site's page.")


def _hosts(headers: Headers) -> set[bytes]:
    """What this server is called, by the client or by a proxy before it."""
    return {headers.get(b"host", b""), headers.get(b"x-forwarded-host", b"")} - {b""}
