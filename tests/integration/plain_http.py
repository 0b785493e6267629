"""Clients of servers on this machine, which speak plain HTTP.

A client of httpx's own making loads every authority's certificate, which takes forty milliseconds
of the processor: more than most tests.
"""

import ssl

import httpx

from .. import patience

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(url: str) -> httpx.Client:
    """Who asks below `url`, and waits as long as a busy machine may take."""
    return httpx.Client(
        base_url=url, timeout=patience.SECONDS, trust_env=False, verify=NO_AUTHORITIES
    )


def async_client(url: str) -> httpx.AsyncClient:
    """The same, in a loop."""
    return httpx.AsyncClient(
        base_url=url, timeout=patience.SECONDS, trust_env=False, verify=NO_AUTHORITIES
    )
