"""What looks like a secret in `meta` is masked, and nothing else."""

import logging
from typing import Any

import opsboard
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.application.board import Opsboard
from opsboard.domain.event import MAX_META_BYTES, OperationalEvent
from opsboard.domain.exception_event import exception_event
from opsboard.domain.fitting import fit_meta
from opsboard.domain.log_record import LogRecord, log_event
from opsboard.domain.origin import Origin
from opsboard.domain.secret_keys import (
    MASK,
    MAX_KEY_LENGTH,
    MAX_KNOWN,
    SECRET_NAMES,
    USUAL,
    SecretKeys,
)

from .test_log_handler import Heard

SECRET = "hunter2"


def kept(meta: dict[str, Any], **changed: Any) -> dict[str, Any]:
    event = OperationalEvent.say(ts=0, level="INFO", type="OPS", message="m", meta=meta, **changed)
    del event.meta["type"]
    return event.meta


def variants(name: str) -> list[str]:
    words = name.split("_")
    return [
        name,
        name.upper(),
        "-".join(word.title() for word in words),
        " ".join(words),
        ".".join(words),
        "".join(words),
        words[0] + "".join(word.title() for word in words[1:]),
        f"db_{name}",
        f"{name}.value",
        f"http.request.header.{'-'.join(words)}",
        f"{name}2",
        f"my{''.join(word.title() for word in words)}Here",
    ]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_is_masked_however_its_key_is_written(name: str) -> None:
    for key in variants(name):
        assert kept({key: SECRET}) == {key: MASK}, key


@pytest.mark.parametrize(
    "key",
    [
        "passwordless", "compass", "tokenizer", "tokens_used", "maxTokens", "monkey", "key",
        "secretary", "cookiecutter", "sessions", "author", "authority", "keyboard", "private",
        "api", "API", "request_id", "idempotency_key", "primary_key", "user", "ключ", "", "_", "パ",
    ],
)  # fmt: skip
def test_a_word_that_only_holds_such_a_name_is_none(key: str) -> None:
    assert kept({key: SECRET}) == {key: SECRET}


def test_every_depth_is_looked_at_and_any_value_is_masked() -> None:
    meta = {
        "request": {"headers": [{"Authorization": "Bearer x", "Accept": "*/*"}], "path": "/"},
        "credentials": {"user": "a", "nested": [1, 2]},
        "api-keys": ["a", "b"],
        "password": 1234,
        "pwd": "",
    }
    assert kept(meta) == {
        "request": {"headers": [{"Authorization": MASK, "Accept": "*/*"}], "path": "/"},
        "credentials": MASK,
        "api-keys": MASK,
        "password": MASK,
        "pwd": MASK,
    }
    deep: dict[str, Any] = {"token": SECRET}
    for _ in range(62):
        deep = {"deeper": deep}
    assert SECRET not in str(kept(deep))


def test_yes_no_and_nothing_give_no_secret_away() -> None:
    meta = {"password": None, "has_token": True, "secret": False}
    assert kept(meta) == meta


def test_what_the_caller_holds_is_not_changed() -> None:
    meta = {"token": SECRET, "list": [{"secret": SECRET}]}
    kept(meta)
    assert meta == {"token": SECRET, "list": [{"secret": SECRET}]}


plain = st.text("abcdxyz 019.", max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(plain, json_values, max_size=5))
def test_all_else_comes_back_as_it_was_sent(meta: dict[str, Any]) -> None:
    assert kept(meta) == meta


def test_a_log_record_is_masked_before_it_is_cut_to_its_limits() -> None:
    huge = "x" * MAX_META_BYTES
    record = LogRecord(
        origin=Origin("shop"),
        scope="",
        time=0,
        severity_number=9,
        severity_text="",
        body={"said": "hi", "apiKey": SECRET},
        attributes={"nested": {"password": SECRET, "filler": huge}, "token": SECRET},
        trace_id="",
        span_id="",
        event_name="",
    )
    fields = log_event(record)
    assert fields["message"] == f'{{"said":"hi","apiKey":"{MASK}"}}'
    assert MASK in fields["meta"]["nested"]
    assert SECRET not in str(fields)


def test_the_attributes_of_an_exception_are_masked() -> None:
    fields = exception_event("E", attributes={"session.id": SECRET, "http": {"cookie": SECRET}})
    assert SECRET not in str(fields)
    assert fields["meta"]["http"] == {"cookie": MASK}


def test_a_key_that_is_no_text_or_is_cut_is_looked_at_as_it_was() -> None:
    long = "x" * 300 + "_password"
    fitted = fit_meta({long: SECRET, "inner": {b"token": SECRET, ("a", "secret"): SECRET}})
    assert SECRET not in str(fitted)


def test_what_a_log_record_carries_is_masked_in_the_app_already() -> None:
    heard = Heard()
    said: list[Any] = []
    handler = opsboard.EventHandler(service="shop", to=heard, secret_keys="pin,-session")
    heard.say_later = lambda make: said.append(make())  # type: ignore[method-assign]
    logger = logging.getLogger("shop.secrets")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        raise ValueError("refused")
    except ValueError:
        extra = {"password": SECRET, "card": {"PIN": SECRET}, "session": "s"}
        logger.exception("wrong", extra=extra)
    finally:
        logger.removeHandler(handler)
    (fields,) = said
    assert SECRET not in str(fields)
    assert fields["meta"]["card"] == {"PIN": MASK}
    assert fields["meta"]["session"] == "s"


async def test_recorded_in_process_it_is_masked_before_it_is_stored(board: Opsboard) -> None:
    recorded = await board.record_event("hi", meta={"token": SECRET})
    assert recorded.event.meta["token"] == MASK
    assert (await board.event_queries.get(recorded.id)).event.meta["token"] == MASK


async def test_a_masked_value_makes_no_other_body(board: Opsboard) -> None:
    """A fingerprint of the secret would be one to find it by."""
    first = await board.record_event("hi", meta={"token": "a"}, key="k")
    assert await board.record_event("hi", meta={"token": "b"}, key="k") == first


async def test_a_board_of_ones_own_names() -> None:
    async with opsboard.open("memory:", secret_keys="Kunden-Nummer, -session") as board:
        meta = {"kundenNummer": 1, "session": "s", "token": SECRET, "kunden": 2}
        recorded = await board.record_event("hi", meta=meta)
    assert recorded.event.meta == {
        "type": "OPS",
        "kundenNummer": MASK,
        "session": "s",
        "token": MASK,
        "kunden": 2,
    }


def test_names_are_added_and_taken_out() -> None:
    assert "pin" in SecretKeys.parse("pin")
    assert "password" in SecretKeys.parse("pin")
    assert "Api-Key" not in SecretKeys.parse("-api_key")
    assert "password" not in SecretKeys.parse(" none ")
    for wrong in (",", "a,,b", "-", "_"):
        with pytest.raises(ValueError, match="is no name"):
            SecretKeys.parse(wrong)


def test_a_flood_of_keys_takes_bounded_memory() -> None:
    keys = SecretKeys()
    for n in range(MAX_KNOWN + 10):
        assert f"key {n}" not in keys
    assert len(keys._known) <= MAX_KNOWN
    before = len(keys._known)
    long = "a." * MAX_KEY_LENGTH
    assert long not in keys
    assert f"{long}password" in keys
    assert len(keys._known) == before
    assert "token" in USUAL
