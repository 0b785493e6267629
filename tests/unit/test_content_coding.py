"""Request bodies without their content codings: the right bytes, or the right refusal."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from opsboard.adapters.http import content_coding
from opsboard.adapters.http.body import ClientGone
from opsboard.adapters.http.content_coding import (
    ACCEPT_ENCODING,
    BodyBudget,
    inflated,
    read_inflated,
)
from opsboard.adapters.http.problems import BodyTooLarge, BodyTooSlow, UnsupportedMedia
from opsboard.application.errors import Overloaded
from opsboard.domain.validation import InvalidInput

MIB = 1024 * 1024
LIMIT = MIB


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd,
    "identity": bytes,
}
COMPRESSING = [name for name in CODINGS if name != "identity"]


def encoded(body: bytes, *names: str) -> bytes:
    for name in names:
        body = CODINGS[name](body)
    return body


def parts(body: bytes, size: int) -> Sequence[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)] or [b""]


async def read(sent: Sequence[bytes], coding: str, limit: int = LIMIT, **headers: str) -> bytes:
    waiting = list(sent)

    async def receive() -> dict[str, Any]:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    said = {b"content-encoding": coding.encode()} if coding else {}
    said |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return await read_inflated(said, receive, limit)


@pytest.mark.parametrize("coding", ["", *CODINGS, "GZIP", " Zstd ", "identity, identity"])
@pytest.mark.parametrize("size", [1, 1_000, MIB])
async def test_a_body_is_what_it_was_before_it_was_encoded(coding: str, size: int) -> None:
    body = bytes(range(256)) * 20 + b"\0" * 300_000
    sent = body if "identity" in coding else encoded(body, *filter(None, [coding.strip().lower()]))
    assert await read(parts(sent, size if len(sent) < MIB // 4 else 10_000), coding) == body


@pytest.mark.parametrize("names", [("gzip", "zstd"), ("zstd", "gzip", "deflate")])
async def test_codings_are_undone_in_the_opposite_order(names: tuple[str, ...]) -> None:
    body = b"the last one that was applied is the first one to go" * 1_000
    sent = parts(encoded(body, *names), 50)
    assert await read(sent, ", ".join(names)) == body
    with pytest.raises(InvalidInput):
        await read(sent, ", ".join(reversed(names)))


@given(st.data(), st.sampled_from(COMPRESSING), st.binary(max_size=2_000), st.integers(1, 99))
def test_any_body_in_any_pieces(data: st.DataObject, coding: str, body: bytes, size: int) -> None:
    sent = encoded(body, coding)
    assert asyncio.run(read(parts(sent, size), coding)) == body
    cut = data.draw(st.integers(0, len(sent) - 1))
    with pytest.raises(InvalidInput):
        asyncio.run(read(parts(sent[:cut], size), coding))


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 7, MIB])
async def test_members_that_follow_each_other_are_one_body(coding: str, size: int) -> None:
    sent = b"".join(encoded(part, coding) for part in (b"one ", b"", b"two ", b"three"))
    assert await read(parts(sent, size), coding) == b"one two three"


@pytest.mark.parametrize("coding", COMPRESSING)
@pytest.mark.parametrize("garbage", [b"\0", b"garbage", b"{}", b"\x1f\x8b"])
async def test_garbage_behind_the_end_is_refused(coding: str, garbage: bytes) -> None:
    with pytest.raises(InvalidInput, match=coding):
        await read([encoded(b"body", coding) + garbage], coding)


@pytest.mark.parametrize("coding", COMPRESSING)
async def test_what_is_no_such_coding_is_refused(coding: str) -> None:
    for sent in (b"", b"{}", b"\0" * 64, encoded(b"x" * 99, coding)[:-1]):
        with pytest.raises(InvalidInput) as refused:
            await read([sent], coding)
        assert [violation.pointer for violation in refused.value.violations] == [""]


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_flipped_bit_is_found(coding: str) -> None:
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    body = b"only its checksum knows that this is another body"
    sent = bytearray(compressor.compress(body) if coding == "zstd" else gzip.compress(body))
    sent[-6] ^= 1
    with pytest.raises(InvalidInput):
        await read([bytes(sent)], coding)


@pytest.mark.parametrize(
    "coding", ["br", "gzip, br", "", "gzip,", "gzip;q=1", "gzip, " * 4 + "zstd"]
)
async def test_another_coding_is_refused_and_those_that_are_taken_are_named(coding: str) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing of such a body is read")

    with pytest.raises(UnsupportedMedia) as refused:
        await read_inflated({b"content-encoding": coding.encode()}, receive, LIMIT)
    assert refused.value.headers == {"accept-encoding": ACCEPT_ENCODING}


@pytest.mark.parametrize("coding", ["", *COMPRESSING])
async def test_the_limit_is_on_what_comes_out(coding: str) -> None:
    exact, more = b"x" * 100_000, b"x" * 100_001
    names = [coding] if coding else []
    assert await read([encoded(exact, *names)], coding, 100_000) == exact
    with pytest.raises(BodyTooLarge, match="at most 100000 bytes"):
        await read([encoded(more, *names)], coding, 100_000)


def rle_bomb(blocks: int) -> bytes:
    """A zstd frame of 1 MiB windows whose blocks of four bytes are 128 KiB each."""
    block = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd" + bytes([0b0000_0000, 10 << 3]) + block * blocks


def zeros() -> bytes:
    return gzip.compress(bytes(64 * MIB), 1)


BOMBS: list[tuple[str, Callable[[], bytes]]] = [
    ("gzip", zeros),
    ("gzip, gzip", lambda: gzip.compress(zeros())),
    ("gzip", lambda: gzip.compress(b"") * 30_000 + zeros()),
    ("deflate", lambda: zlib.compress(bytes(64 * MIB), 1)),
    ("zstd", lambda: zstd(bytes(64 * MIB))),
    ("zstd", lambda: rle_bomb(16 * 1024)),
    ("zstd, gzip", lambda: gzip.compress(rle_bomb(1024 * 1024), 1)),
]


@pytest.mark.parametrize(("coding", "make"), BOMBS, ids=[coding for coding, _ in BOMBS])
async def test_a_bomb_is_refused_in_little_memory(coding: str, make: Callable[[], bytes]) -> None:
    bomb = make()
    assert len(bomb) < LIMIT
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge, match=f"at most {LIMIT} bytes"):
            await read([bomb], coding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB


async def test_what_becomes_more_on_its_way_is_refused_too() -> None:
    """Inside is less than nothing: a gzip of a million empty ones."""
    with pytest.raises(BodyTooLarge):
        await read([gzip.compress(gzip.compress(b"") * 100_000)], "gzip, gzip")


async def test_a_window_that_no_client_of_http_may_ask_for_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    sent = compressor.compress(b"16 MiB back") + compressor.flush()
    with pytest.raises(InvalidInput, match="memory"):
        await read([sent], "zstd")


async def test_all_bodies_together_have_a_bound_too(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = BodyBudget(3 * MIB)
    monkeypatch.setattr(content_coding, "BUDGET", budget)
    release = asyncio.Event()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(MIB), "more_body": False}

    async def keep() -> None:
        async with inflated({}, receive, LIMIT):
            await release.wait()

    keeping = [asyncio.create_task(keep()) for _ in range(3)]
    while budget.held < 3 * MIB:
        await asyncio.sleep(0)
    for coding in ("", "gzip"):
        with pytest.raises(Overloaded, match="too many large bodies"):
            await read([encoded(b"more", *filter(None, [coding]))], coding)
    release.set()
    await asyncio.gather(*keeping)
    assert budget.held == 0
    assert await read([gzip.compress(bytes(MIB))], "gzip") == bytes(MIB)
    with pytest.raises(BodyTooLarge):
        await read([gzip.compress(bytes(2 * MIB))], "gzip")
    assert budget.held == 0


async def test_others_have_their_turn_while_much_is_inflated() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    body = await read([gzip.compress(bytes(16 * MIB))], "gzip", 16 * MIB)
    other.cancel()
    assert len(body) == 16 * MIB
    assert turns >= 8


async def test_what_a_length_announces_is_believed() -> None:
    with pytest.raises(BodyTooLarge):
        await read([gzip.compress(b"small")], "gzip", content_length=str(LIMIT + 1))


async def test_a_body_that_never_ends_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_coding, "BODY_DEADLINE_SECONDS", 0.01)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(BodyTooSlow):
        await read_inflated({b"content-encoding": b"gzip"}, receive, LIMIT)


async def test_a_client_that_goes_is_gone() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await read_inflated({b"content-encoding": b"gzip"}, receive, LIMIT)
