"""Compressed request bodies: inflated as they arrive, bounded in what they become."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import zstandard

from ...application.errors import Overloaded
from ...domain.validation import InvalidInput
from .body import (
    BODY_DEADLINE_SECONDS,
    next_message,
    refuse_length,
    too_large,
    too_slow,
)
from .middleware import Receive
from .problems import UnsupportedMedia

MAX_CODINGS = 4
MAX_WINDOW_BYTES = 8 * 1024 * 1024
"""What a zstd frame may ask for, by RFC 9659."""

STEP_BYTES = 256 * 1024
PAUSE_BYTES = 1024 * 1024
"""After so much was inflated, other requests have their turn."""

STEP_COST_BYTES = 1024
"""What a step takes that inflates nothing, such as an empty member of a gzip."""

MAX_HELD_BYTES = 256 * 1024 * 1024

_GZIP_SLICE = 16 * 1024
_ZSTD_SLICE = 512
"""Four bytes of zstd may become 128 KiB, and its decoder has no bound: so 16 MiB at most."""

_ZLIB, _GZIP = zlib.MAX_WBITS, zlib.MAX_WBITS | 16


class _Coding(NamedTuple):
    """How a coding is undone: a decoder for one member (of a gzip, a zstd frame), and one step."""

    member: Callable[[], Any]
    inflate: Callable[[Any, bytes], bytes]
    slice_bytes: int


def _inflate_zlib(member: Any, data: bytes) -> bytes:
    piece: bytes = member.decompress(data, STEP_BYTES)
    return piece


def _inflate_zstd(frame: Any, data: bytes) -> bytes:
    piece: bytes = frame.decompress(data)
    return piece


def _zstd_frame() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()


_gzip = _Coding(lambda: zlib.decompressobj(_GZIP), _inflate_zlib, _GZIP_SLICE)
_CODINGS: Mapping[str, _Coding] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Coding(lambda: zlib.decompressobj(_ZLIB), _inflate_zlib, _GZIP_SLICE),
    "zstd": _Coding(_zstd_frame, _inflate_zstd, _ZSTD_SLICE),
}
ACCEPT_ENCODING = "gzip, deflate, zstd"


class BodyBudget:
    """How many bytes of bodies this process holds, and how many it may.

    A bound on each body alone is none on a thousand of them at once.
    """

    def __init__(self, limit: int) -> None:
        """Nothing is held yet."""
        self.limit = limit
        self.held = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """What one body takes, until the context ends: called with each piece's size.

        It raises `Overloaded` where all together take too much.
        """
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            if self.held + size > self.limit:
                raise Overloaded("too many large bodies are on their way")
            mine += size
            self.held += size

        try:
            yield hold
        finally:
            self.held -= mine


BUDGET = BodyBudget(MAX_HELD_BYTES)


@asynccontextmanager
async def inflated(
    headers: Mapping[bytes, bytes], receive: Receive, limit: int
) -> AsyncIterator[bytes]:
    """The whole body without its content codings: at most `limit` bytes, at every stage of it.

    It counts as held until the context ends. Raises what `body.read_body` does, `Overloaded` where
    all bodies take more than `MAX_HELD_BYTES`, `UnsupportedMedia` for a coding that is not known
    here, `InvalidInput` where the body is cut off or no such coding at all.
    """
    stages = [_Stage(name, limit) for name in _codings_of(headers)]
    refuse_length(headers, limit)
    with BUDGET.share() as hold:
        try:
            async with asyncio.timeout(BODY_DEADLINE_SECONDS):
                body = await _inflate_all(receive, stages, limit, hold)
        except TimeoutError as error:
            raise too_slow() from error
        yield body


async def read_inflated(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The same where what is made of the body takes no time."""
    async with inflated(headers, receive, limit) as body:
        return body


def _codings_of(headers: Mapping[bytes, bytes]) -> Sequence[str]:
    """The names of the codings, the one that is to be undone first first."""
    said = headers.get(b"content-encoding")
    if said is None:
        return ()
    names = [name.strip() for name in said.decode("latin-1").lower().split(",")]
    codings = [name for name in reversed(names) if name != "identity"]
    if len(codings) > MAX_CODINGS or not all(name in _CODINGS for name in codings):
        raise UnsupportedMedia(
            f"Content-Encoding may be {ACCEPT_ENCODING} or identity.",
            {"accept-encoding": ACCEPT_ENCODING},
        )
    return codings


async def _inflate_all(
    receive: Receive, stages: Sequence["_Stage"], limit: int, hold: Callable[[int], None]
) -> bytes:
    pieces = []
    received = worked = 0
    more = True
    while more:
        message = await next_message(receive)
        more = message.get("more_body", False)
        data = message.get("body", b"")
        received += len(data)
        if received > limit:
            raise too_large(limit)
        for piece in _through(stages, data, last=not more):
            hold(len(piece))
            pieces.append(piece)
            worked += len(piece) + STEP_COST_BYTES
            if worked > PAUSE_BYTES:
                worked = 0
                await asyncio.sleep(0)
    return b"".join(pieces)


def _through(stages: Sequence["_Stage"], data: bytes, *, last: bool) -> Iterator[bytes]:
    """What comes out behind the last stage when `data` goes into the first one."""
    if not stages:
        yield data
        return
    stage, rest = stages[0], stages[1:]
    for piece in stage.inflate(data):
        yield from _through(rest, piece, last=False)
    if last:
        for piece in stage.end():
            yield from _through(rest, piece, last=False)
        yield from _through(rest, b"", last=True)


class _Stage:
    """One coding while it is undone, from piece to piece, over any number of members."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._coding = _CODINGS[name]
        self._limit = limit
        self._inflated = 0
        self._member: Any = None

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """What these bytes become. Raises `BodyTooLarge`, `InvalidInput`."""
        size = self._coding.slice_bytes
        for start in range(0, len(data), size):
            rest = data[start : start + size]
            while rest:
                if self._member is None or self._member.eof:
                    self._member = self._coding.member()
                yield self._step(rest)
                rest = self._member.unconsumed_tail or self._member.unused_data

    def end(self) -> Iterator[bytes]:
        """What was held back. Raises `InvalidInput` where the last member is not complete."""
        while self._member is not None and not self._member.eof:
            piece = self._step(b"")
            if not piece:
                break
            yield piece
        if self._member is None or not self._member.eof:
            raise InvalidInput.of("", f"is cut off: its {self._name} has no end")

    def _step(self, data: bytes) -> bytes:
        try:
            piece = self._coding.inflate(self._member, data)
        except (zlib.error, zstandard.ZstdError) as error:
            raise InvalidInput.of("", f"is no {self._name}: {error}") from error
        self._inflated += len(piece)
        if self._inflated > self._limit:
            raise too_large(self._limit)
        return piece
