"""What an export is answered with: `partial_success`, or `google.rpc.Status` for an error."""

from collections import Counter
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from ..problems import problem_of
from .encoding import Encoding
from .messages import ExportResponse, Status

MAX_REASON_LENGTH = 1_000

_INTERNAL = 13
_RPC_CODES = {
    HTTPStatus.BAD_REQUEST: 3,
    HTTPStatus.UNAUTHORIZED: 16,
    HTTPStatus.REQUEST_TIMEOUT: 4,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 3,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: 3,
    HTTPStatus.TOO_MANY_REQUESTS: 8,
    HTTPStatus.INTERNAL_SERVER_ERROR: _INTERNAL,
    HTTPStatus.SERVICE_UNAVAILABLE: 14,
}
_encode = msgspec.json.Encoder().encode


class Rejected(msgspec.Struct, frozen=True):
    """How many of what a request holds could not be kept although they should be, and why."""

    count: int = 0
    reason: str = ""


def rejected_for(faults: Counter[str]) -> Rejected:
    """The count and the reasons, the most frequent first."""
    said = "; ".join(f"{fault} ({times})" for fault, times in faults.most_common())
    return Rejected(faults.total(), said)


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def success(encoding: Encoding, rejected: Rejected, rejected_name: str) -> Answer:
    """200; `partial_success` is set where something was rejected, under the signal's own name."""
    if encoding is Encoding.JSON:
        return _answer(HTTPStatus.OK, _encode(_as_json(rejected, rejected_name)), encoding)
    response = ExportResponse()
    if rejected.count:
        response.partial_success.rejected = rejected.count
        response.partial_success.error_message = rejected.reason[:MAX_REASON_LENGTH]
    return _answer(HTTPStatus.OK, response.SerializeToString(), encoding)


def _as_json(rejected: Rejected, name: str) -> dict[str, Any]:
    """As protobuf is in JSON: 64-bit numbers are strings."""
    if not rejected.count:
        return {}
    said = {name: str(rejected.count), "errorMessage": rejected.reason[:MAX_REASON_LENGTH]}
    return {"partialSuccess": said}


def failure(encoding: Encoding, error: Exception) -> Answer:
    """The error that this is to every other client too, in OTLP's form."""
    problem, headers = problem_of(error)
    message = problem.detail if problem.id is None else f"{problem.detail} {problem.id}"
    code = _RPC_CODES.get(HTTPStatus(problem.status), _INTERNAL)
    if encoding is Encoding.JSON:
        body = _encode({"code": code, "message": message})
    else:
        body = Status(code=code, message=message).SerializeToString()
    answer = _answer(problem.status, body, encoding)
    answer.headers.extend((name.encode(), value.encode()) for name, value in headers.items())
    return answer


def _answer(status: int, body: bytes, encoding: Encoding) -> Answer:
    length = b"%d" % len(body)
    return Answer(status, body, [(b"content-type", encoding.value), (b"content-length", length)])
