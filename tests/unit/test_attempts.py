"""How often somebody may be wrong about a token, and who is meant by that."""

import base64
from collections import Counter

import pytest
from opsboard.adapters.http.attempts import (
    LIMITED,
    MAX_CLIENTS,
    MAX_FAILURES,
    WRONG,
    Attempts,
    TooManyAttempts,
)
from opsboard.adapters.http.auth import Tokens
from opsboard.adapters.http.client_address import client_address
from opsboard.adapters.http.problems import Unauthorized

MINUTE = 60_000.0


class Time:
    def __init__(self) -> None:
        self.seconds = MINUTE

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


def guess(attempts: Attempts, client: str, times: int = MAX_FAILURES) -> None:
    for n in range(times):
        attempts.fail(client, b"guess %d" % n)


def test_who_tries_one_token_after_the_other_is_not_listened_to_for_the_minute(time: Time) -> None:
    attempts = Attempts(time)
    assert not attempts.some_failed
    guess(attempts, "10.0.0.1", MAX_FAILURES - 1)
    attempts.allow("10.0.0.1")
    attempts.fail("10.0.0.1", b"one more")
    time.seconds += 20.5
    with pytest.raises(TooManyAttempts) as refused:
        attempts.allow("10.0.0.1")
    assert refused.value.headers == {"retry-after": "40"}
    attempts.allow("10.0.0.2")
    time.seconds += 40
    attempts.allow("10.0.0.1")
    assert not attempts.some_failed


def test_who_sends_one_wrong_token_for_ever_shuts_nobody_out(time: Time) -> None:
    attempts = Attempts(time)
    for _ in range(MAX_FAILURES):
        attempts.fail("10.0.0.1", b"the old one")
    for _ in range(100):
        with pytest.raises(TooManyAttempts):
            attempts.fail("10.0.0.1", b"the old one")
    attempts.allow("10.0.0.1")


def test_a_flood_of_addresses_takes_bounded_memory_and_shuts_nobody_out(time: Time) -> None:
    counts = Counter[str]()
    attempts = Attempts(time, counts=counts)
    for n in range(MAX_CLIENTS):
        attempts.fail(f"client {n}", b"x")
    with pytest.raises(TooManyAttempts):
        attempts.fail("another", b"x")
    attempts.allow("another")
    assert len(attempts._failures) == MAX_CLIENTS
    guess(attempts, "client 1", MAX_FAILURES - 1)
    for n in range(100):
        with pytest.raises(TooManyAttempts):
            attempts.fail("client 1", b"beyond %d" % n)
    assert len(attempts._failures["client 1"].tried) == MAX_FAILURES
    assert counts == {WRONG: MAX_CLIENTS + MAX_FAILURES - 1, LIMITED: 101}


def test_a_network_of_ipv6_is_one_client(time: Time) -> None:
    attempts = Attempts(time)
    for n in range(MAX_FAILURES):
        attempts.fail(f"2001:db8:1:2::{n:x}", b"%d" % n)
    with pytest.raises(TooManyAttempts):
        attempts.allow("2001:db8:1:2:ffff::1")
    attempts.allow("2001:db8:1:3::1")
    guess(attempts, "::ffff:10.0.0.1")
    with pytest.raises(TooManyAttempts):
        attempts.allow("10.0.0.1")
    attempts.allow("no:address")


def test_it_is_said_once_a_minute(time: Time) -> None:
    said: list[str] = []
    attempts = Attempts(time, on_guessing=said.append)
    for client in ("10.0.0.1", "10.0.0.2"):
        guess(attempts, client)
        for _ in range(3):
            with pytest.raises(TooManyAttempts):
                attempts.allow(client)
    assert said == ["10.0.0.1"]
    time.seconds += 60
    guess(attempts, "10.0.0.2")
    with pytest.raises(TooManyAttempts):
        attempts.allow("10.0.0.2")
    assert said == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", b"", "192.0.2.1"),
        ("192.0.2.1", b"203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", b"", "127.0.0.1"),
        ("127.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("::1", b"198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", b"203.0.113.9, 2001:DB8::1", "2001:db8::1"),
        ("127.0.0.1", b"unknown", "127.0.0.1"),
        ("127.0.0.1", b"<b>\xff", "127.0.0.1"),
    ],
)
def test_a_proxy_of_the_same_machine_names_the_client(
    peer: str, forwarded: bytes, client: str
) -> None:
    headers = {b"x-forwarded-for": forwarded} if forwarded else {}
    assert client_address({"client": (peer, 1)}, headers) == client


def test_a_socket_without_addresses_has_one_client() -> None:
    assert client_address({}, {}) == ""


class Door:
    """The tokens as a route asks them, for one client."""

    def __init__(self, time: Time) -> None:
        self.tokens = Tokens("the-api-token", "the-read-token", attempts=Attempts(time))

    def writes(self, token: bytes, client: str = "10.0.0.1") -> None:
        self.tokens.allow_write({b"x-ops-token": token}, {"client": (client, 1)})

    def reads(self, token: bytes, client: str = "10.0.0.1") -> None:
        self.tokens.allow_read({b"authorization": b"Bearer " + token}, {"client": (client, 1)})


@pytest.mark.parametrize("door", ["writes", "reads", "may_write", "may_read", "basic", "rights_of"])
def test_every_way_to_try_a_token_is_counted(time: Time, door: str) -> None:
    """Whatever tells a right token from a wrong one is a way to guess."""
    at = Door(time)
    scope = {"client": ("10.0.0.1", 1)}
    for n in range(MAX_FAILURES):
        token = b"guess-%d" % n
        if door in {"writes", "reads"}:
            with pytest.raises(Unauthorized):
                getattr(at, door)(token)
        elif door == "basic":
            credentials = b"Basic " + base64.b64encode(b"user:" + token)
            assert not at.tokens.may_read({b"authorization": credentials}, scope)
        elif door == "rights_of":
            with pytest.raises(Unauthorized):
                at.tokens.rights_of(token, {}, scope)
        else:
            assert not getattr(at.tokens, door)({b"x-ops-token": token}, scope)
    for right in (at.writes, at.reads):
        with pytest.raises(TooManyAttempts):
            right(b"the-api-token")
        right(b"the-api-token", "10.0.0.2")
    time.seconds += 60
    at.writes(b"the-api-token")


def test_the_read_token_is_no_guess_and_nothing_is_none_either(time: Time) -> None:
    door = Door(time)
    for _ in range(3 * MAX_FAILURES):
        for presented in (b"the-read-token", b""):
            with pytest.raises(Unauthorized):
                door.writes(presented)
    door.writes(b"the-api-token")
    assert not door.tokens._attempts.some_failed
