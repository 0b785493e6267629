"""Request samples over HTTP: what other services served."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import HeaderParameter, JSONBody

from ...application.board import Opsboard
from ...domain.entry import IdempotencyKey
from ...domain.validation import InvalidInput
from .auth import Tokens
from .body import JSON, media_type
from .content_coding import inflated
from .headers import by_name, idempotency_key
from .middleware import Receive, Scope, Send
from .parameters import refuse_parameters
from .sample_bodies import (
    LINES,
    Accepted,
    Form,
    Malformed,
    SampleDraft,
    first_faults,
    json_form,
    read_samples,
)

MAX_BODY_BYTES = 20 * 1024 * 1024
LARGE_BODY_BYTES = 512 * 1024
"""A larger one is decoded on another thread, so that no other request waits for it."""

NDJSON = b"application/x-ndjson"

_JSON = (b"content-type", JSON)
_encode = msgspec.json.Encoder().encode

T = TypeVar("T")


class RecordSamples:
    """`POST /samples` as plain ASGI."""

    def __init__(self, board: Opsboard, tokens: Tokens) -> None:
        """Record into `board` what `tokens` allow."""
        self._recorder = board.samples
        self._tokens = tokens
        self._large = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer once the samples are durable; errors are raised, and answered as problems."""
        headers = by_name(scope["headers"])
        self._tokens.allow_write(headers, scope)
        refuse_parameters(scope["query_string"])
        media = media_type(headers, JSON, NDJSON)
        name = idempotency_key(headers)
        async with inflated(headers, receive, MAX_BODY_BYTES) as body:
            accepted = await self._record(LINES if media == NDJSON else json_form(body), body, name)
        answer = _encode(Accepted(accepted))
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
        await send({"type": "http.response.body", "body": answer})

    async def _record(self, form: Form, body: bytes, name: str | None) -> int:
        key = None if name is None else IdempotencyKey(name, hashlib.sha256(body).digest())
        recorder = self._recorder
        now_ms, find = recorder.now_ms(), recorder.find
        try:
            samples = await self._work_on(body, lambda: read_samples(form, body, now_ms, find))
            return await recorder.record(samples, key)
        except (Malformed, InvalidInput) as error:
            faults = await self._work_on(
                body, lambda: first_faults(form, body, now_ms, find, recorder.violations)
            )
            raise (faults if faults.violations else InvalidInput.of("", str(error))) from error

    async def _work_on(self, body: bytes, work: Callable[[], T]) -> T:
        """What `work` makes of the body: at once, or in turn on another thread."""
        if len(body) <= LARGE_BODY_BYTES:
            return work()
        async with self._large:
            return await asyncio.to_thread(work)


@dataclass
class _LinesToo(Operation):
    """Adds to the description what the handler's signature can not say: NDJSON."""

    def __post_init__(self) -> None:
        if isinstance(self.request_body, RequestBody):
            content = self.request_body.content
            schema = content[JSON.decode()].schema
            if isinstance(schema, Schema) and schema.one_of:
                content[NDJSON.decode()] = OpenAPIMediaType(schema=schema.one_of[0])


def sample_routes(record: RecordSamples) -> Sequence[HTTPRouteHandler]:
    """The route `/samples`, which `record` answers."""

    def answer_raw(app: Any) -> Any:  # noqa: ARG001 - Litestar passes it by this name
        return record

    @post(
        "/samples",
        status_code=200,
        middleware=[answer_raw],
        tags=["samples"],
        operation_class=_LinesToo,
    )
    async def record_samples(
        data: JSONBody[SampleDraft | list[SampleDraft]],  # noqa: ARG001
        idempotency_key: Annotated[  # noqa: ARG001
            str | None,
            HeaderParameter(
                name="Idempotency-Key",
                description="the same key and body within 24 hours records once",
                required=False,
            ),
        ] = None,
    ) -> Accepted:
        """Record request samples, all or none; answers once they are durable. Needs the token.

        One sample, a list, or one on each line, plain or compressed by gzip, deflate or zstd.
        """
        raise AssertionError("answered by RecordSamples, which stands before this description")

    return [record_samples]
