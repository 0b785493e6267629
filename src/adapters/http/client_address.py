"""Who asks: the address that failures are counted by."""

from ipaddress import ip_address

from .headers import Headers
from .middleware import Scope

OWN_MACHINE = frozenset({"127.0.0.1", "::1"})


def client_address(scope: Scope, headers: Headers) -> str:
    """The address of the client; empty where there is none, as at a socket of the file system.

    A proxy on the same machine is believed when it names the client, which it adds as the last of
    `X-Forwarded-For`. No other sender of that header is: it could pass for anybody.
    """
    peer: str = (scope.get("client") or ("", 0))[0]
    if peer not in OWN_MACHINE:
        return peer
    named = headers.get(b"x-forwarded-for", b"").rpartition(b",")[2].strip().decode("latin-1")
    try:
        return str(ip_address(named))
    except ValueError:
        return peer
