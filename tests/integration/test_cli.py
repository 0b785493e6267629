"""The `opsboard` command, as somebody types it."""

import json
import os
import pty
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import opsboard
import pytest

from .. import patience
from .server import OPSBOARD, TOKEN, Server, environment, run, serving


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ops.db'}"


def one_line(stderr: bytes) -> str:
    (line,) = stderr.decode().splitlines()
    assert line.startswith("opsboard: ")
    return line


def test_version_and_help() -> None:
    assert run("--version").stdout.decode().strip() == f"opsboard, version {opsboard.__version__}"
    for arguments in ([], ["--help"], ["-h"]):
        said = run(*arguments).stdout.decode()
        for name in ("serve", "event", "verify", "export", "import", "demo"):
            assert f"  {name} " in said


def test_serve_has_a_flag_for_every_setting() -> None:
    said = run("serve", "--help").stdout.decode()
    for name in ("STORE", "HOST", "PORT", "API_TOKEN", "READ_TOKEN", "RETENTION"):
        assert f"--{name.lower().replace('_', '-')} OPS_{name}" in said


@pytest.mark.parametrize(
    ("arguments", "settings", "named"),
    [
        (["--port", "http"], {}, "OPS_PORT"),
        (["--port", "65536"], {}, "OPS_PORT"),
        ([], {"OPS_PORT": "-1"}, "OPS_PORT"),
        (["--host", "a b"], {}, "OPS_HOST"),
        (["--host", "no-such-host.invalid", "--port", "0"], {}, "OPS_HOST"),
        (["--host", "192.0.2.1", "--port", "0"], {}, "OPS_HOST"),
        (["--store", "postgres://x"], {}, "OPS_STORE"),
        (["--store", "sqlite:///"], {}, "OPS_STORE"),
        (["--store", "sqlite:///a%00b"], {}, "OPS_STORE"),
        ([], {"OPS_STORE": "memory"}, "OPS_STORE"),
        (["--api-token", ""], {}, "OPS_API_TOKEN"),
        ([], {"OPS_API_TOKEN": "two words"}, "OPS_API_TOKEN"),
        ([], {"OPS_READ_TOKEN": "käse"}, "OPS_READ_TOKEN"),
        (["--retention", "7d"], {}, "OPS_RETENTION"),
        (["--colour"], {}, "--colour"),
        (["extra"], {}, "extra"),
    ],
)
def test_a_setting_that_can_not_work_stops_the_start_and_is_named(
    arguments: list[str], settings: dict[str, str], named: str
) -> None:
    ended = run("serve", *arguments, stdin=b"", **({"OPS_STORE": "memory:"} | settings))
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert named in one_line(ended.stderr)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run("serve", "--port", port, "--store", "memory:")
    assert ended.returncode == 2
    assert f"can not listen on 127.0.0.1:{port}: Address already in use" in one_line(ended.stderr)


def test_serve_says_where_it_is_and_what_is_open(store: str) -> None:
    with serving(store, OPS_READ_TOKEN="reads") as server:
        assert (
            server.said[0] == f"store    {store}, kept raw=7d,minutes=30d,hours=400d,events=400d\n"
        )
        assert server.said[1] == "writes   open, with the token\n"
        assert server.said[2] == "reads    with a token\n"
        assert TOKEN not in "".join(server.said)
        assert server.stop() == 0
        assert server.process.stdout is not None
        assert [line for line in server.process.stdout if not line.startswith("{")] == [
            "ended: every request was answered, the journal is flushed\n"
        ]


def test_a_generated_token_works_and_yields_to_a_given_one(store: str) -> None:
    with serving(store, "--generate-token", OPS_API_TOKEN="") as server:
        token = server.said[0].split()[1]
        answer = server.post_event({"X-Ops-Token": token})
        assert answer.status_code == 200
    with serving(store, "--generate-token") as server:
        assert server.said[0].startswith("store")
        assert server.post_event().status_code == 200


def test_flags_win_over_the_environment(store: str) -> None:
    flags = ("--store", store, "--api-token", "other", "--retention", "forever")
    with serving("memory:", *flags) as server:
        assert server.said[0].startswith(f"store    {store},")
        assert server.post_event().status_code == 401
        assert server.post_event({"X-Ops-Token": "other"}).status_code == 200


def test_an_event_from_a_shell(store: str) -> None:
    first = run("event", "backup done", "--store", store, "--meta", "bytes=12", "--meta", "to=s3")
    assert (first.returncode, first.stdout) == (0, b"1\n")
    keyed = [run("event", "nightly", "--key", "2026-11-24", "--store", store) for _ in range(2)]
    assert [ended.stdout for ended in keyed] == [b"2\n", b"2\n"]
    clash = run("event", "other", "--key", "2026-11-24", "--store", store)
    assert (clash.returncode, "something else" in one_line(clash.stderr)) == (2, True)
    with serving(store) as server:
        event = server.client.get("/events/1").json()
        assert event["service"] == "shell"
        assert event["meta"] == {"type": "OPS", "bytes": 12, "to": "s3"}
        beside = run("event", "beside a server", "--store", store, "--level", "warn")
        assert beside.stdout == b"3\n"
        assert server.client.get("/events/3").json()["level"] == "WARN"


def test_an_event_to_a_server(server: Server) -> None:
    ended = run("event", "hi", "--to", server.url, "--type", "DEPLOY", OPS_API_TOKEN=TOKEN)
    assert (ended.returncode, ended.stdout) == (0, b"1\n")
    refused = run("event", "hi", "--to", server.url)
    assert refused.returncode == 2
    assert "answered 401: Writing needs the token" in one_line(refused.stderr)
    wrong = run("event", "", "--to", server.url, OPS_API_TOKEN=TOKEN)
    assert "answered 400: /message must be 1-1000 characters" in one_line(wrong.stderr)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["hi", "--level", "LOUD"], "level"),
        (["hi", "--meta", "novalue"], "--meta"),
        (["hi", "--meta", "n=" + "[" * 100_000], "--meta"),
        (["hi", "--meta", "n=NaN"], "/meta/n must be a finite number"),
        (["hi", "--key", "\udcff"], "Idempotency-Key"),
        (["hi", "--key", ""], "Idempotency-Key"),
        (["\udcff"], "/message"),
        (["hi", "--to", "http://127.0.0.1:1"], "--to"),
        (["hi", "--to", "not a url"], "--to"),
        (["hi", "--store", "nowhere"], "--store"),
        ([], "MESSAGE"),
    ],
)
def test_an_event_that_can_not_be_recorded_says_why(arguments: list[str], named: str) -> None:
    ended = run("event", *arguments, OPS_STORE="memory:")
    assert ended.returncode == 2
    assert named in one_line(ended.stderr)


@pytest.mark.parametrize(
    ("arguments", "token", "named"),
    [
        (
            ["\udcff"],
            TOKEN,
            "it holds a lone surrogate",
        ),
        (["hi", "--key", "é"], TOKEN, "Idempotency-Key"),
        (["hi", "--key", "\udcff"], TOKEN, "Idempotency-Key"),
        (["hi", "--meta", "n=NaN"], TOKEN, "--meta"),
        (["hi"], "käse", "OPS_API_TOKEN"),
        (["hi"], "", "answered 401"),
    ],
)
def test_an_event_that_can_not_be_posted_says_why(
    shared_server: Server, arguments: list[str], token: str, named: str
) -> None:
    ended = run("event", *arguments, "--to", shared_server.url, OPS_API_TOKEN=token)
    assert ended.returncode == 2
    assert named in one_line(ended.stderr)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"id": null}', b'{"id": "x"}'])
def test_a_server_that_is_no_opsboard_is_told_from_one(body: bytes) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        stranger.timeout = patience.SECONDS
        answering = threading.Thread(target=stranger.handle_request)
        answering.start()
        ended = run("event", "hi", "--to", f"http://127.0.0.1:{stranger.server_port}")
        answering.join()
    assert ended.returncode == 2
    assert "does not answer as opsboard does" in one_line(ended.stderr)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seconds", "nan"], "--seconds"),
        (["--seconds", "inf"], "--seconds"),
        (["--rate", "nan"], "--rate"),
        (["--token", "käse"], "--token"),
    ],
)
def test_a_demo_that_can_not_be_is_refused(arguments: list[str], named: str) -> None:
    ended = run("demo", "http://127.0.0.1:1", *arguments)
    assert ended.returncode == 2
    assert named in one_line(ended.stderr)


def test_export_and_import_carry_a_journal_to_another_store(store: str, tmp_path: Path) -> None:
    for n in range(3):
        run("event", f"number {n}", "--store", store)
    file = tmp_path / "journal.ndjson"
    assert run("export", str(file), "--store", store).stderr == b"3 entries exported\n"
    lines = file.read_bytes().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2, 3]
    other = f"sqlite:///{tmp_path / 'other.db'}"
    for said in (b"3 imported, 0 already there\n", b"0 imported, 3 already there\n"):
        assert run("import", str(file), "--store", other).stderr == said
    assert run("export", "--store", other).stdout == file.read_bytes()
    assert run("verify", "--store", other).returncode == 0
    piped = run("import", "--store", f"sqlite:///{tmp_path / 'piped.db'}", stdin=file.read_bytes())
    assert piped.stderr == b"3 imported, 0 already there\n"
    broken = run("import", "--store", other, stdin=b"{}\n")
    assert (broken.returncode, "line 1" in one_line(broken.stderr)) == (2, True)


@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_store_that_is_not_there_is_not_made(command: str, tmp_path: Path) -> None:
    ended = run(command, "--store", f"sqlite:///{tmp_path / 'none.db'}")
    assert ended.returncode == 2
    assert "none.db: does not exist" in one_line(ended.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_a_progress_bar(store: str, tmp_path: Path) -> None:
    run("event", "hi", "--store", store)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [OPSBOARD, "export", str(tmp_path / "out"), "--store", store],
        stderr=theirs,
        env=environment(TERM="xterm"),
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4_096):
                shown += part
        except OSError:
            pass  # Linux says so when the other end of a terminal is closed
        os.close(ours)
        assert process.wait(timeout=patience.SECONDS) == 0
    assert b"exporting" in shown
    assert b"100%" in shown


def test_a_reader_that_goes_away_is_no_error_with_a_trace(store: str) -> None:
    for n in range(3):
        run("event", f"number {n}" * 90, "--store", store)
    ended = subprocess.run(
        f"{OPSBOARD} export --store {store} | head -c 10",
        shell=True,
        capture_output=True,
        check=False,
        timeout=patience.SECONDS,
    )
    assert b"Traceback" not in ended.stderr


def test_demo_brings_life_to_a_server(server: Server) -> None:
    arguments = ("demo", server.url, "--rate", "200", "--seconds", "0.5")
    for seconds in ("0.5", "5", "50"):  # a machine that is busy elsewhere needs more of them
        ended = run(*arguments[:-1], seconds, OPS_API_TOKEN=TOKEN)
        assert ended.returncode == 0
        rows = server.client.get("/metrics").json()["requests"]
        if len(rows) > 5 and server.client.get("/events").json():
            break
    assert " x 200" in ended.stdout.decode()
    assert server.client.get("/events").json()
    assert len(rows) > 5
    silent = run(*arguments, "--seed", "1")
    assert b"no event was posted" in silent.stdout
    nobody = run("demo", "http://127.0.0.1:1", "--seconds", "1")
    assert nobody.returncode == 2
    assert "can not be reached" in one_line(nobody.stderr)
