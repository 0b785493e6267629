"""Files of every version ever stored open and go on; one of a newer version is left alone."""

import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import opsboard
import pytest
from opsboard.adapters.encoding import CODEC
from opsboard.adapters.sqlite import SqliteStore, schema
from opsboard.application.board import Opsboard
from opsboard.application.errors import StoreUnusable
from opsboard.application.verify import verify
from opsboard.domain.entry import Stream

from ...fakes import SECOND_NS, CountingIds, ManualClock, entries, sample
from ..server import TOKEN, run, serving

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(path.name for path in DATA.glob("*.db"))
NEWER = schema.VERSION + 1


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file as a version of opsboard left it."""
    return Path(shutil.copy(DATA / request.param, tmp_path / "ops.db"))


def schema_version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_there_is_a_file_of_every_version_of_the_schema() -> None:
    assert {schema_version(DATA / name) for name in FILES} == set(range(1, schema.VERSION + 1))


async def test_there_is_an_entry_of_every_version_of_every_kind_and_it_can_be_read(
    tmp_path: Path, clock: ManualClock
) -> None:
    """Who makes a new version keeps a file of the one before it."""
    found = set()
    for name in FILES:
        path = Path(shutil.copy(DATA / name, tmp_path / name))
        async with SqliteStore(path, clock).opened() as store:
            for stream in Stream:
                for recorded in await entries(store.journal, stream):
                    store.journal.decode(recorded)
                    found.add((recorded.encoded.kind, recorded.encoded.version))
    assert found == {
        (kind, version)
        for kind, known in CODEC._kinds.items()
        for version in range(1, known.newest + 1)
    }


async def test_a_file_of_every_version_verifies_and_goes_on(path: Path, clock: ManualClock) -> None:
    clock.advance(4 * 3_600 * SECOND_NS)
    async with SqliteStore(path, clock).opened() as store:
        assert schema_version(path) == schema.VERSION
        board = Opsboard(store, clock, CountingIds())
        await board._load()
        assert await faults(board) == []
        before = (await board.metrics()).requests_total
        assert before > 0
        await board.record_samples([sample(ended_at=clock.now())])
        said = await board.record_event("from the newer version")
        assert (await board.event_queries.search(limit=1)).events == [said]
        for projection in board.projections.values():
            await projection.catch_up()
            await projection.save()
        assert (await board.metrics()).requests_total == before + 1
        assert await faults(board) == []


async def faults(board: Opsboard) -> Sequence[str]:
    return [fault async for fault in verify(board.store)]


def test_the_commands_take_a_file_of_every_version(path: Path) -> None:
    store = f"sqlite:///{path}"
    assert run("verify", "--store", store).returncode == 0
    with serving(store, OPS_RETENTION="forever") as server:
        assert server.client.get("/metrics").json()["requests_total"] > 0
        assert server.post_event(message="from the newer version").status_code == 200
        assert server.stop() == 0
    assert run("verify", "--store", store).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--port", "0"],
        ["event", "a message"],
        ["verify"],
        ["stats"],
        ["compact"],
        ["rebuild"],
        ["backup", "{folder}/copy.db"],
        ["export", "{folder}/copy.nd"],
        ["import", "{folder}/some.nd"],
    ],
    ids=lambda command: str(command[0]),
)
def test_a_newer_file_is_refused_in_a_line_and_left_as_it_was(
    tmp_path: Path, command: list[str]
) -> None:
    path = newer(tmp_path)
    (tmp_path / "some.nd").write_text("")
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    named = [argument.format(folder=tmp_path) for argument in command]
    ended = run(*named, "--store", f"sqlite:///{path}", OPS_API_TOKEN=TOKEN)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.decode() == (
        f"opsboard: {path}: was written by a newer opsboard "
        f"(schema {NEWER}; this one knows up to {schema.VERSION})\n"
    )
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


async def test_a_newer_file_is_refused_in_process_too(tmp_path: Path) -> None:
    path = newer(tmp_path)
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="newer opsboard"):
        async with opsboard.open(f"sqlite:///{path}"):
            pass
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["ops.db"]  # noqa: PTH208 - pathlib would be blocking, it says


def newer(folder: Path) -> Path:
    """A file as the next version of the schema might leave it, with a table that is new."""
    path = Path(shutil.copy(DATA / f"schema-v{schema.VERSION}.db", folder / "ops.db"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE new(x)")
        connection.execute(f"PRAGMA user_version = {NEWER}")
        connection.execute("PRAGMA journal_mode = DELETE")
    return path
