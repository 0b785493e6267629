"""The two encodings of OTLP over HTTP, told apart by the content type."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import DecodeError

from ....domain.validation import InvalidInput
from ..problems import UnsupportedMedia

T = TypeVar("T")


class Encoding(Enum):
    """How a request is encoded, and so its answer."""

    PROTOBUF = b"application/x-protobuf"
    JSON = b"application/json"

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> "Encoding":
        """What the content type says. Raises `UnsupportedMedia`."""
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        try:
            return cls(content_type)
        except ValueError:
            raise UnsupportedMedia(
                "The body must be OTLP: application/x-protobuf or application/json."
            ) from None


def decode_protobuf(message: Any, body: bytes) -> Any:
    """The message that a body holds. Raises `InvalidInput` where it is none."""
    try:
        return message.FromString(body)
    except DecodeError as error:
        raise InvalidInput.of("", "is no OTLP in protobuf, or is cut off") from error


def decode_json(decode: Callable[[bytes], T], body: bytes) -> T:
    """What a decoder of msgspec's makes of a body. Raises `InvalidInput`, naming the place."""
    try:
        return decode(body)
    except RecursionError as error:
        raise InvalidInput.of("", "is nested too deep") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidInput.of("", f"is no OTLP in JSON: {error}") from error
