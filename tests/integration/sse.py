"""A reader of server-sent events, as a browser has it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx


class Block(NamedTuple):
    """What stands between two empty lines: its fields, and its comment."""

    id: str | None
    event: str | None
    data: Any
    comment: str | None

    @classmethod
    def of(cls, text: str) -> "Block":
        fields = {
            name: value.removeprefix(" ")
            for name, _, value in (line.partition(":") for line in text.split("\n"))
        }
        data = fields.get("data")
        return cls(
            fields.get("id"),
            fields.get("event"),
            None if data is None else json.loads(data),
            fields.get(""),
        )


class Blocks:
    """The blocks of an open stream, one after the other; `place` is what it resumes from."""

    def __init__(self, response: httpx.Response) -> None:
        self._parts = response.iter_text()
        self._rest = ""
        self.response = response
        self.place = ""

    def __iter__(self) -> Iterator[Block]:
        return self

    def __next__(self) -> Block:
        while "\n\n" not in self._rest:
            self._rest += next(self._parts)
        text, _, self._rest = self._rest.partition("\n\n")
        block = Block.of(text)
        if block.id is not None:
            self.place = block.id
        return block

    def events(self, count: int, name: str = "event") -> list[Any]:
        """The data of the next so many events of this name."""
        found: list[Any] = []
        while len(found) < count:
            block = next(self)
            if block.event == name:
                found.append(block.data)
        return found


@contextmanager
def streaming(
    client: httpx.Client,
    headers: Mapping[str, str] | None = None,
    **params: Any,
) -> Iterator[Blocks]:
    """An open `GET /events/stream`, whose greeting was read."""
    with client.stream("GET", "/events/stream", params=params, headers=headers) as response:
        assert response.status_code == 200, response.read()
        blocks = Blocks(response)
        next(blocks)
        yield blocks
