"""What the commands ask of a running server."""

import json
from typing import Any

import httpx

from ..application.errors import OpsboardError
from ..application.record import checked_key
from .settings import SettingError

TIMEOUT_SECONDS = 10.0


class ServerRefused(OpsboardError):
    """The server could not be reached, or refused."""


def post_event(url: str, token: str, body: dict[str, Any], key: str | None) -> int:
    """Post one event to a server; its id.

    Raises `ServerRefused` with the server's reason, `InvalidInput` or `SettingError` for what can
    not be sent at all.
    """
    headers = {"X-Ops-Token": token, "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = checked_key(key)
    try:
        content = json.dumps(body, allow_nan=False)
    except ValueError as error:
        raise SettingError("--meta: JSON has no NaN and no infinity") from error
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/events",
            content=content,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerRefused(f"--to: {url} can not be reached: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise ServerRefused(f"{url} answered {answer.status_code}: {_reason(answer)}")
    try:
        return int(answer.json()["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServerRefused(f"--to: {url} does not answer as opsboard does") from error


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
