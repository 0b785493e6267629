"""Carries to a server, over HTTP."""

import json
import zlib
from http.client import HTTPException

from .address import Address
from .carrier import Delivered, Later, Outcome, Parcel, Refused, Samples
from .connection import Answer, Connection
from .ndjson import SampleLines

OK = 200
REDIRECTS = range(300, 400)
NEEDS_MENDING = frozenset({401, 403, 404, 405, *REDIRECTS})
"""Wrong is the token, or the address: not the parcel."""
TRY_AGAIN = frozenset({408, 425, 429})
SERVER_ERROR = 500
GZIP = 31
LEVEL = 1


class HttpCarrier:
    """Posts samples to `/samples`, as gzipped lines, and events to `/events`."""

    def __init__(self, address: Address, token: str | None, user_agent: str) -> None:
        """Nothing is connected before the first parcel."""
        self._address = address
        self._headers = {"User-Agent": user_agent}
        if token is not None:
            self._headers["X-Ops-Token"] = token
        self._connection = Connection(address)
        self._lines = SampleLines()
        self._encoded: tuple[Parcel, bytes] | None = None

    def carry(self, parcel: Parcel, timeout: float) -> Outcome:
        """See `Carrier.carry`."""
        headers = {**self._headers, "Idempotency-Key": parcel.key}
        if isinstance(parcel, Samples):
            path = "/samples"
            headers["Content-Type"] = "application/x-ndjson"
            headers["Content-Encoding"] = "gzip"
        else:
            path = "/events"
            headers["Content-Type"] = "application/json"
        try:
            answer = self._connection.post(path, self._body(parcel), headers, timeout)
        except (OSError, HTTPException) as error:
            return Later(f"{self._address} can not be reached: {error or type(error).__name__}")
        outcome = _outcome(answer, f"{self._address}{path}")
        if not isinstance(outcome, Later):
            self._encoded = None
        return outcome

    def _body(self, parcel: Parcel) -> bytes:
        """The body, which is made once for all tries."""
        if self._encoded is None or self._encoded[0] is not parcel:
            self._encoded = (parcel, self._encode(parcel))
        return self._encoded[1]

    def _encode(self, parcel: Parcel) -> bytes:
        if not isinstance(parcel, Samples):
            return json.dumps(dict(parcel.fields)).encode()
        return zlib.compress(self._lines.encode(parcel.packed, parcel.keys), LEVEL, wbits=GZIP)

    def close(self, timeout: float) -> None:  # noqa: ARG002 - it takes no time
        """See `Carrier.close`."""
        self._connection.close()


def _outcome(answer: Answer, where: str) -> Outcome:
    reason = f"{where} answered {answer.status}: {answer.detail}"
    if answer.status == OK:
        return Delivered()
    if answer.status in NEEDS_MENDING:
        return Later(reason, answer.retry_after, needs_mending=True)
    if answer.status in TRY_AGAIN or answer.status >= SERVER_ERROR:
        return Later(reason, answer.retry_after)
    return Refused(reason)
