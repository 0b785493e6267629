"""A server killed in the middle of its work: what was acknowledged is there, each once."""

import asyncio
import json
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from opsboard.entrypoints.server import Ending

from .. import patience
from . import plain_http
from .server import TOKEN, Server, run, serving

CONNECTIONS = 64
EVENTS = 10_000
KILLED_AFTER = 3_000


class Posting:
    """Posts numbered events over a number of connections until all are acknowledged, or none is."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.waiting = iter(range(EVENTS))
        self.acknowledged: dict[int, int] = {}

    async def run(self) -> None:
        await asyncio.gather(*(self.post_all() for _ in range(CONNECTIONS)))

    async def post_all(self) -> None:
        """One connection, raw: 64 clients of a library would take most of the machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            for number in self.waiting:
                writer.write(request(number))
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                event = json.loads(await reader.readexactly(length))
                self.acknowledged[number] = event["id"]
                if len(self.acknowledged) == KILLED_AFTER:
                    self.server.process.send_signal(signal.SIGKILL)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def request(number: int) -> bytes:
    body = json.dumps({"level": "INFO", "type": "OPS", "message": f"n{number}"}).encode()
    return (
        f"POST /events HTTP/1.1\r\nHost: test\r\nX-Ops-Token: {TOKEN}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: key-{number}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def kept(server: Server) -> dict[int, list[int]]:
    """The ids under which each number is kept."""
    found: dict[int, list[int]] = {}
    answer = server.client.get("/events?limit=500")
    while True:
        for event in answer.json():
            found.setdefault(int(event["message"][1:]), []).append(event["id"])
        if "next" not in answer.links:
            return found
        answer = server.client.get(answer.links["next"]["url"])


async def test_after_a_kill_all_that_was_acknowledged_is_there_once(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        posting = Posting(server)
        await posting.run()
        assert server.process.wait(timeout=patience.SECONDS) == -signal.SIGKILL
    acknowledged = posting.acknowledged
    assert KILLED_AFTER <= len(acknowledged) < EVENTS
    assert run("verify", "--store", store).returncode == 0
    with serving(store) as server:
        found = kept(server)
        assert all(len(ids) == 1 for ids in found.values())
        assert {number: found[number][0] for number in acknowledged} == acknowledged
        ids = sorted(id for (id,) in found.values())
        assert ids == list(range(1, len(ids) + 1))
        for number in range(0, EVENTS, 500):
            answer = await asyncio.to_thread(post_again, server, number)
            assert answer == found.get(number, [answer])[0]
        assert server.stop() == 0
    verified = run("verify", "--store", store)
    assert verified.returncode == 0, verified.stdout


def post_again(server: Server, number: int) -> int:
    """The id that a retry with the same key is given."""
    answer = server.post_event({"Idempotency-Key": f"key-{number}"}, message=f"n{number}")
    return int(answer.json()["id"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_end_finishes_requests_in_flight_and_exits_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        for _ in range(50):
            server.client.get("/health")

        body = b'{"level":"INFO","type":"OPS","message":"in flight"}'
        with socket.create_connection(
            ("127.0.0.1", server.port), timeout=patience.SECONDS
        ) as connection:
            # The server asks for the body, so the request is in flight for certain.
            connection.sendall(
                b"POST /events HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
                b"content-type: application/json\r\nx-ops-token: %b\r\ncontent-length: %d\r\n\r\n"
                % (TOKEN.encode(), len(body))
            )
            with connection.makefile("rb") as answer:
                assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
                server.process.send_signal(number)
                connection.sendall(body)
                assert answer.read().endswith(b'"message":"in flight","meta":{"type":"OPS"}}')
        assert server.process.wait(timeout=patience.SECONDS) == 0
    assert run("verify", "--store", store).returncode == 0
    with serving(store) as server:
        assert server.client.get("/events/1").json()["message"] == "in flight"
        rows = server.client.get("/metrics").json()["requests"]
        counts = {(r["route"], r["method"]): r["count"] for r in rows}
        assert counts == {
            ("/events/{id}", "GET"): 1,
            ("/events", "POST"): 1,
            ("/health", "GET"): 50,
        }


async def test_two_servers_on_one_file_number_and_show_each_others_events(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as one, serving(store) as other:

        async def post(server: Server, name: str) -> list[int]:
            async with plain_http.async_client(server.url) as http:
                headers = {"X-Ops-Token": TOKEN}
                answers = [
                    await http.post(
                        "/events",
                        json={"level": "INFO", "type": "OPS", "message": f"{name} {n}"},
                        headers=headers,
                    )
                    for n in range(100)
                ]
            return [answer.json()["id"] for answer in answers]

        ids = await asyncio.gather(post(one, "one"), post(other, "other"))
        assert sorted(ids[0] + ids[1]) == list(range(1, 201))
        for server in (one, other):
            newest = server.client.get("/events?limit=500").json()
            assert [event["id"] for event in newest] == list(range(200, 0, -1))
            assert len(server.client.get("/events?q=other&limit=500").json()) == 100
        for server in (one, other):
            assert server.stop() == 0
    assert run("verify", "--store", store).returncode == 0


def test_who_has_no_time_cuts_off_what_is_stuck_and_loses_no_sample(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'ops.db'}"
    with serving(store) as server:
        for _ in range(5):
            server.client.get("/health")
        with socket.create_connection(
            ("127.0.0.1", server.port), timeout=patience.SECONDS
        ) as stuck:
            stuck.sendall(
                f"POST /events HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {TOKEN}\r\n"
                "Content-Type: application/json\r\nContent-Length: 99\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            assert stuck.recv(65_536).startswith(b"HTTP/1.1 100 ")
            server.process.send_signal(signal.SIGTERM)
            wait_until_closed(server.port)
            server.process.send_signal(signal.SIGINT)
            answer = b"".join(iter(lambda: stuck.recv(65_536), b""))
        assert server.process.wait(timeout=patience.SECONDS) == 0
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"application/problem+json" in answer
        assert server.process.stdout is not None
        assert [line for line in server.process.stdout if not line.startswith("{")] == [
            "ended: 1 in flight cut off, the journal is flushed\n"
        ]
    with serving(store) as server:
        rows = server.client.get("/metrics").json()["requests"]
        counts = {(r["route"], r["status_code"]): r["count"] for r in rows}
        assert counts == {("/health", 200): 5, ("/events", 499): 1}


def wait_until_closed(port: int) -> None:
    """The first signal was seen: nobody is let in any more."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=patience.SECONDS).close()
        except OSError:
            return


@pytest.mark.parametrize(
    ("cut_off", "unwritten", "said"),
    [
        (0, 0, "ended: every request was answered, the journal is flushed"),
        (2, 0, "ended: 2 in flight cut off, the journal is flushed"),
        (0, 7, "ended: every request was answered, 7 request samples could not be written"),
    ],
)
def test_the_last_sentence_is_true(cut_off: int, unwritten: int, said: str) -> None:
    assert str(Ending(cut_off, unwritten)) == said
