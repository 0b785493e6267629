"""One connection to a server, kept open between requests."""

import http.client
import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from .address import Address

MAX_ANSWER_BYTES = 64 * 1024


class Answer(NamedTuple):
    """What a server answered: its status, what it says of it, and when to come back."""

    status: int
    detail: str
    retry_after: float


class Connection:
    """Posts over one connection; not for two threads at a time."""

    def __init__(self, address: Address) -> None:
        """Connected with the first request."""
        self._address = address
        self._open: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        """The answer. Raises `OSError` or `http.client.HTTPException` where there is none.

        A server may have closed a connection that was kept open; then a new one is tried, once. So
        the request must be such that it counts once however often it arrives.
        """
        kept = self._open is not None
        try:
            return self._post(path, body, headers, timeout)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise
        try:
            return self._post(path, body, headers, timeout)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _post(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        connection = self._open = self._open or self._connection()
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request("POST", self._address.path + path, body, dict(headers))
        response = connection.getresponse()
        said = response.read(MAX_ANSWER_BYTES)
        if not response.isclosed():
            self.close()
        return Answer(
            response.status,
            _detail(said) or response.reason,
            _seconds(response.getheader("Retry-After")),
        )

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.host, self._address.port
        if self._address.secure:
            return http.client.HTTPSConnection(host, port)
        return http.client.HTTPConnection(host, port)

    def close(self) -> None:
        """Close the connection, if there is one; the next request opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _detail(body: bytes) -> str:
    """What a problem document says."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        return ""
    return detail if isinstance(detail, str) else ""


def _seconds(retry_after: str | None) -> float:
    """The header's number of seconds, or those until its date; 0 where it is neither."""
    if retry_after is None:
        return 0.0
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0
