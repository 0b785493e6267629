"""Every error as `application/problem+json` (RFC 9457), from this one place."""

import logging
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from ...application.errors import (
    ErrorGroupNotFound,
    EventNotFound,
    IdempotencyClash,
    OpsboardError,
    Overloaded,
    StoreUnavailable,
)
from ...domain.validation import InvalidInput, Violation
from . import request_id
from .middleware import Send
from .security_headers import SECURITY_HEADERS

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "1"

_log = logging.getLogger(__name__)


class HttpError(OpsboardError):
    """A refusal that only HTTP knows of, with its status and headers."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Say what is refused, and why."""
        super().__init__(detail)
        self.headers = dict(headers or {})


class Unauthorized(HttpError):
    """The token is missing or wrong."""

    status = HTTPStatus.UNAUTHORIZED


class WritesClosed(HttpError):
    """No token is configured, so nobody may write."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class BodyTooLarge(HttpError):
    """The body is over its limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class BodyTooSlow(HttpError):
    """The body did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class UnsupportedMedia(HttpError):
    """The body's type or encoding is none that is taken here."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error; `errors` names the fields, `id` is what the server's log has too."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Violation, ...] = ()
    id: str | None = None


_STATUS: Mapping[type[Exception], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    ErrorGroupNotFound: HTTPStatus.NOT_FOUND,
    EventNotFound: HTTPStatus.NOT_FOUND,
    IdempotencyClash: HTTPStatus.UNPROCESSABLE_ENTITY,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem_of(error: Exception) -> tuple[Problem, dict[str, str]]:
    """The problem that an error is to a client, and the headers that go with it."""
    if isinstance(error, HttpError):
        return _problem(error.status, str(error)), error.headers
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = HTTPStatus(error.status_code)
        return _problem(status, _detail(error), _violations(error)), dict(error.headers or {})
    status_of_error = next((s for t, s in _STATUS.items() if isinstance(error, t)), None)
    if status_of_error is None:
        return _unexpected(error), {}
    headers = {}
    if status_of_error is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = RETRY_AFTER_SECONDS
    violations = error.violations if isinstance(error, InvalidInput) else ()
    return _problem(status_of_error, str(error), violations), headers


def _problem(
    status: HTTPStatus, detail: str, errors: tuple[Violation, ...] = (), id: str | None = None
) -> Problem:
    name = status.phrase.lower().replace(" ", "-")
    return Problem(f"urn:opsboard:problem:{name}", status.phrase, status, detail, errors, id)


def _unexpected(error: Exception) -> Problem:
    """A fault of ours: its trace goes to the log, under an id that the client gets."""
    id = request_id.current.get() or uuid.uuid4().hex
    _log.error("request failed, id %s", id, exc_info=error)
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The server failed to answer; its log has the reason under this id.",
        id=id,
    )


def _detail(error: HTTPException) -> str:
    if isinstance(error, MethodNotAllowedException):
        return f"This route takes {(error.headers or {}).get('allow', 'no method')}."
    if isinstance(error, NotFoundException):
        return "No route matches this path."
    violations = _violations(error)
    if violations:
        return "; ".join(f"{v.pointer}: {v.detail}" for v in violations)
    return error.detail


def _violations(error: HTTPException) -> tuple[Violation, ...]:
    """What Litestar found wrong with single parameters."""
    extra: Any = error.extra
    if not isinstance(extra, list):
        return ()
    return tuple(Violation(e["key"], e["message"]) for e in extra if "key" in e)


def problem_response(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's handler of any exception."""
    problem, headers = problem_of(error)
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


async def send_problem(send: Send, error: Exception) -> None:
    """Answer with the problem that an error is, where no part of an answer was sent yet."""
    problem, headers = problem_of(error)
    body = msgspec.json.encode(problem)
    fields = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
    ]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": fields})
    await send({"type": "http.response.body", "body": body})


def refusal(status: HTTPStatus, detail: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers of a problem that no app answers with; the connection closes after it."""
    body = msgspec.json.encode(_problem(status, detail))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS.encode()))
    return body, headers
