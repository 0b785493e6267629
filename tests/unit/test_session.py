"""Sessions, and where a request comes from."""

import pytest
from opsboard.adapters.http.same_origin import CrossOrigin, refuse_other_sites, require_own_page
from opsboard.adapters.http.session import LIFETIME_SECONDS, SETTING, Session, Sessions
from opsboard.adapters.memory import MemoryStore
from opsboard.application.errors import StoreUnavailable

NOW = 1_769_850_000


class Time:
    seconds = float(NOW)

    def __call__(self) -> float:
        return self.seconds


def cookie(value: str) -> dict[bytes, bytes]:
    return {b"cookie": f"theme=dark; opsboard_session={value}; x=y".encode()}


@pytest.mark.parametrize("may_write", [True, False])
def test_a_session_is_known_again_until_it_is_over(may_write: bool) -> None:
    time = Time()
    sessions = Sessions("api", "read", time)
    value, session = sessions.issue(may_write=may_write)
    assert session == Session(may_write, NOW + LIFETIME_SECONDS)
    assert sessions.find(cookie(value)) == session
    time.seconds += LIFETIME_SECONDS - 1
    assert sessions.find(cookie(value)) == session
    time.seconds += 1
    assert sessions.find(cookie(value)) is None


def test_no_two_sessions_are_alike_and_none_has_the_token() -> None:
    sessions = Sessions("api", "read")
    values = {sessions.issue(may_write=True)[0] for _ in range(10)}
    assert len(values) == 10
    assert not any("api" in value or "read" in value for value in values)


def test_one_changed_character_anywhere_is_enough() -> None:
    sessions = Sessions("api", "read", Time())
    value, _ = sessions.issue(may_write=False)
    for place, character in enumerate(value):
        other = "1" if character != "1" else "2"
        assert sessions.find(cookie(value[:place] + other + value[place + 1 :])) is None, place
    assert sessions.find(cookie(value.replace(".r.", ".w."))) is None
    assert sessions.find(cookie(value + "0")) == sessions.find(cookie(value))
    assert sessions.find({}) is sessions.find(cookie("")) is None


async def test_a_session_lasts_as_long_as_store_and_tokens(memory: MemoryStore) -> None:
    async with memory.opened():
        first, again, other = (
            Sessions("api", "read"),
            Sessions("api", "read"),
            Sessions("new", "read"),
        )
        swapped = Sessions("ap", "iread")
        value, session = first.issue(may_write=True)
        for each in (first, again, other, swapped):
            await each.take_secret(memory)
        assert first.find(cookie(value)) is None, "its key was another then"
        value, session = first.issue(may_write=True)
        assert again.find(cookie(value)) == session
        assert other.find(cookie(value)) is swapped.find(cookie(value)) is None


async def test_no_secret_is_made_where_there_is_no_token(memory: MemoryStore) -> None:
    async with memory.opened():
        await Sessions(None, None).take_secret(memory)
        assert await memory.setting(SETTING) is None


async def test_a_store_that_fails_leaves_sessions_to_this_process(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(name: str, value: str) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(memory, "keep_setting", fail)
    async with memory.opened():
        sessions = Sessions("api", None)
        await sessions.take_secret(memory)
        value, session = sessions.issue(may_write=True)
        assert sessions.find(cookie(value)) == session
        assert Sessions("api", None).find(cookie(value)) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"sec-fetch-site": b"same-origin", b"origin": b"https://elsewhere", b"host": b"ops:8000"},
        {b"sec-fetch-site": b"none"},
        {b"origin": b"http://ops:8000", b"host": b"ops:8000"},
        {b"origin": b"https://ops", b"host": b"10.0.0.1:8000", b"x-forwarded-host": b"ops"},
    ],
)
def test_the_own_page_may_ask(headers: dict[bytes, bytes]) -> None:
    refuse_other_sites(headers)
    require_own_page({**headers, b"x-ops-csrf": b"1"})
    with pytest.raises(CrossOrigin):
        require_own_page(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site", b"origin": b"http://ops", b"host": b"ops"},
        {b"origin": b"http://elsewhere", b"host": b"ops"},
        {b"origin": b"http://ops:9000", b"host": b"ops:8000"},
        {b"origin": b"null", b"host": b"ops"},
        {b"origin": b"", b"host": b""},
    ],
)
def test_no_other_page_may(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(CrossOrigin):
        refuse_other_sites(headers)
    with pytest.raises(CrossOrigin):
        require_own_page({**headers, b"x-ops-csrf": b"1"})
