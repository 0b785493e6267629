"""Request bodies, bounded in size and in time."""

import re
from collections.abc import Mapping
from typing import Any

from .deadline import within
from .middleware import Receive
from .problems import BodyTooLarge, BodyTooSlow, HttpError, UnsupportedMedia

BODY_DEADLINE_SECONDS = 30.0
JSON = b"application/json"

_PARAMETER = re.compile(rb'([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_UTF8 = (b"", b"utf-8", b"utf8")


class ClientGone(HttpError):
    """The client went away before its body was complete; nobody reads this."""


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raises `UnsupportedMedia` unless the body is said to be plain JSON in UTF-8."""
    media_type(headers, JSON)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMedia("The body must not be compressed.")


def media_type(headers: Mapping[bytes, bytes], *taken: bytes) -> bytes:
    """Which of these media types, all of them JSON in UTF-8, the body is said to have.

    Raises `UnsupportedMedia`.
    """
    content_type = headers.get(b"content-type", b"").lower()
    if content_type in taken:
        return content_type
    named, _, parameters = content_type.partition(b";")
    named = named.strip()
    if named not in taken:
        names = b" or ".join(taken).decode()
        raise UnsupportedMedia(f"The body must be JSON: send Content-Type: {names}.")
    for name, quoted, plain in _PARAMETER.findall(parameters):
        if name == b"charset" and (quoted or plain) not in _UTF8:
            raise UnsupportedMedia("The body must be JSON in UTF-8.")
    return named


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body, of at most `limit` bytes.

    Raises `BodyTooLarge` (at once where Content-Length says so), `BodyTooSlow` after
    `BODY_DEADLINE_SECONDS`, `ClientGone`.
    """
    refuse_length(headers, limit)
    try:
        return await within(BODY_DEADLINE_SECONDS, _receive_all(receive, limit))
    except TimeoutError as error:
        raise too_slow() from error


def refuse_length(headers: Mapping[bytes, bytes], limit: int) -> None:
    """Raises `BodyTooLarge` where Content-Length says so, before any of it was read."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:18]) > limit:
        raise too_large(limit)


async def _receive_all(receive: Receive, limit: int) -> bytes:
    message = await next_message(receive)
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await next_message(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if len(body) > limit:
        raise too_large(limit)
    return body


async def next_message(receive: Receive) -> Any:
    """The next part of the body. Raises `ClientGone`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone("The client went away.")
    return message


def too_slow() -> BodyTooSlow:
    """The error of a body that is not there in time."""
    return BodyTooSlow(
        f"The body did not arrive within {BODY_DEADLINE_SECONDS:.0f} seconds.",
        {"connection": "close"},
    )


def too_large(limit: int) -> BodyTooLarge:
    """The error of a body that is over its limit."""
    # What is still on its way of such a body is not worth reading.
    return BodyTooLarge(f"The body must be at most {limit} bytes.", {"connection": "close"})
