"""One export over HTTP: the same for every signal."""

import hashlib
from typing import Protocol

from ....domain.entry import IdempotencyKey
from ..auth import Tokens
from ..content_coding import inflated
from ..headers import by_name
from ..middleware import Receive, Scope, Send
from .answers import Rejected, failure, success
from .encoding import Encoding

MAX_BODY_BYTES = 20 * 1024 * 1024


class Signal(Protocol):
    """What is exported: traces, logs, metrics."""

    rejected_name: str
    """The name of its count in `partial_success`, as JSON has it: `rejectedSpans`."""

    async def keep(self, body: bytes, encoding: Encoding) -> Rejected:
        """Keep what a body holds; returns once it is durable, with what had to be rejected.

        Raises `InvalidInput` where the body can not be decoded, `Overloaded`, `StoreUnavailable`.
        """
        ...


def key_for(body: bytes) -> IdempotencyKey:
    """The same body, sent again within 24 hours, is recorded once, also after a restart."""
    digest = hashlib.sha256(body).digest()
    return IdempotencyKey(f"otlp {digest.hex()}", digest)


class Export:
    """`POST /v1/...` as plain ASGI: the hot path of a fleet, and answers that only OTLP wants."""

    def __init__(self, signal: Signal, tokens: Tokens) -> None:
        """Let `signal` keep what `tokens` allow."""
        self._signal = signal
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer once all that is kept is durable."""
        headers = by_name(scope["headers"])
        encoding = Encoding.JSON
        try:
            encoding = Encoding.of(headers)
            self._tokens.allow_write(headers, scope)
            async with inflated(headers, receive, MAX_BODY_BYTES) as body:
                rejected = await self._signal.keep(body, encoding)
            answer = success(encoding, rejected, self._signal.rejected_name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer has OTLP's form
            answer = failure(encoding, error)
        start = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})
