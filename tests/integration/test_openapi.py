"""Whatever the API document allows, and what it does not, is answered as it says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import httpx
import opsboard
import pytest
from opsboard.adapters.http.app import create_app

from .. import patience
from ..tries import FEW
from .plain_http import NO_AUTHORITIES
from .server import TOKEN, Server, serving

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Its rule that what fits the schema is accepted can not hold: `last` goes without `since`.
FLAGS = (
    "--exclude-checks=positive_data_acceptance",
    "--exclude-path=/events/stream",  # it never ends
    # With few tries, chance alone: every value that a parameter can just have or not is 1,700 more.
    f"--phases={'fuzzing' if FEW else 'coverage,fuzzing'}",
    "--max-examples=3",
    "--generation-deterministic",
    f"--request-timeout={patience.SECONDS}",
    "--warnings=off",
    "--no-color",
)


def test_every_answer_is_as_the_document_says(server: Server, tmp_path: Path) -> None:
    ended = subprocess.run(
        [SCHEMATHESIS, "run", f"{server.url}/openapi.json", f"-HX-Ops-Token: {TOKEN}", *FLAGS],
        cwd=tmp_path,
        env=os.environ | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=2 * patience.SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5_000:] + ended.stderr
    assert "No issues found" in ended.stdout
    assert server.client.get("/health").json() == {"ok": True}


async def test_the_document_is_the_same_at_each_start() -> None:
    assert await document() == await document()


async def document() -> str:
    """What an app that is made anew says of itself."""
    board = opsboard.open("memory:")
    app = cast(Any, create_app(board, api_token=None, read_token=None, version="test"))
    async with (
        board,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", verify=NO_AUTHORITIES
        ) as client,
    ):
        return (await client.get("/openapi.json")).text


@pytest.mark.parametrize("read_token", ["", "to-read"])
def test_the_document_says_who_may_read(tmp_path: Path, read_token: str) -> None:
    with serving("memory:", OPS_READ_TOKEN=read_token) as server:
        document = server.client.get("/openapi.json", headers={"X-Ops-Token": TOKEN}).json()
        asked = {
            (path, method): operation.get("security", document["security"])
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        assert bool(asked["/metrics", "get"]) is bool(read_token)
        assert asked["/events", "post"]
        assert not asked["/health", "get"]
        answer = server.client.get("/metrics")
        assert answer.status_code == (401 if read_token else 200)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/metrics", "route=/a&as_of=2026-01-31T09:00:00Z"),
        ("/metrics/series", "by=route&last=1h&method=GET"),
        ("/metrics/heatmap", "step=5m&last=1h&service=shop"),
    ],
)
def test_parameters_are_those_of_the_question_and_no_others(
    shared_server: Server, path: str, known: str
) -> None:
    assert shared_server.client.get(f"{path}?{known}").status_code == 200
    for unknown in ("question", "request", "rout"):
        answer = shared_server.client.get(f"{path}?{known}&{unknown}=1")
        assert answer.status_code == 400
        detail = "is not a parameter of this route"
        assert answer.json()["errors"] == [{"pointer": unknown, "detail": detail}]
    assert shared_server.client.get(f"{path}?last=1h&last=2h").status_code == 400
    answer = shared_server.client.get(f"{path}?last=never")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "last"
