"""The single writer: what waits is committed together, with one hop to its thread and one fsync."""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite
import msgspec

from ...application.errors import OpsboardError, Overloaded, StoreUnavailable
from ...application.ports import Clock
from ...domain.entry import Head, Stream
from .checkpoint import LAST_RESORT_PAGES
from .commit_times import CommitTimes
from .connection import connected
from .opened_files import OpenedFiles
from .refusals import Refusals
from .short_turns import short_turns

MAX_WAITING = 8_192
MAX_WAITING_BYTES = 64 * 1024 * 1024
CROWD = 1_024
PATIENCE_SECONDS = 0.1
"""Where more than `CROWD` wait, and the first of them for longer, who comes now would wait longer
still: the disk is too slow for all of them."""
MAX_COMMIT_BYTES = 256 * 1024
COMMITS_PER_BACKGROUND_JOB = 32
BUSY_SECONDS = 5.0
"""So long a commit waits for other processes; then it fails."""
LOOK_AGAIN_SECONDS = 0.001
MIN_REST_SECONDS = 0.003
"""After each background job, as long as it took but no shorter, while other processes write too: so
that they find the file free when they look again."""
SHARED_SECONDS = 10.0
"""So long after another process wrote it is taken to go on."""

_OF_A_JOB = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
"""What a single job can do wrong; all other errors of a database are the store's."""
_log = logging.getLogger(__name__)

T = TypeVar("T")
Outcome = Any
Job = Callable[["GroupCommit"], Outcome]
OnCommit: TypeAlias = Callable[[Iterable[Stream]], None]
AtOnce: TypeAlias = Callable[["GroupCommit"], Sequence[Outcome] | None]
"""Commits the jobs of a connection by one statement; None where it can not, and nothing is written.
"""


class GroupCommit(sqlite3.Connection):
    """A connection whose `commit` runs all `jobs` in one transaction.

    `commit` is what aiosqlite sends to its thread in one hop, so a whole batch crosses once. A job
    that raises an `OpsboardError` before it writes is refused alone; any other error undoes them
    all.
    """

    jobs: Sequence[Job] = ()
    outcomes: Sequence[Outcome] = ()
    at_end: list[Callable[[], None]]
    """What jobs of this transaction still have to write together, before it is committed."""
    shared: dict[Stream, Any]
    """What jobs of this transaction hand to each other."""
    at_once: AtOnce
    heads: dict[Stream, Head]
    """What jobs hand to those of later transactions: the newest entries that they wrote."""
    others_seen_at = float("-inf")
    """When a transaction last found that another process had committed since the one before."""
    _version: int | None = None
    files: OpenedFiles

    def commit(self) -> None:
        """Run and commit the jobs, if any; their results or refusals are in `outcomes`."""
        self.at_end, self.shared, self.outcomes = [], {}, []
        self._check_files()
        if self.jobs:
            self.outcomes = self._committed_at_once() or self._committed()

    def _committed_at_once(self) -> Sequence[Outcome] | None:
        try:
            return self.at_once(self)
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                return None
            raise

    def _committed(self) -> Sequence[Outcome]:
        self._begin()
        self._look_for_others()
        try:
            outcomes = list(self._attempted())
            for write in self.at_end:
                write()
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                with suppress(sqlite3.Error):
                    self.execute("ROLLBACK")
            raise
        return outcomes

    def _begin(self) -> None:
        """Begin as soon as no other process writes; SQLite itself would look ever less often."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > until:
                    raise
                time.sleep(LOOK_AGAIN_SECONDS)
            else:
                return

    def _look_for_others(self) -> None:
        (version,) = self.execute("PRAGMA data_version").fetchone()
        if self._version not in (None, version):
            self.others_seen_at = time.monotonic()
        self._version = version

    def _check_files(self) -> None:
        """Raise `StoreUnavailable` where nobody would find what is committed.

        What the write-ahead log holds goes into the file then, whatever its name is by now: the log
        would be taken for that of another file of the store's name.
        """
        try:
            self.files.check()
        except StoreUnavailable:
            if self.files.log_is_left_alone:
                with suppress(sqlite3.Error):
                    self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            raise

    def _attempted(self) -> Iterator[Outcome]:
        for job in self.jobs:
            try:
                outcome = job(self)
            except OpsboardError as refusal:
                outcome = refusal
            yield outcome


class _Waiting(msgspec.Struct, gc=False):
    job: Job
    size: int
    since: float
    done: asyncio.Future[Any]


class Writer:
    """Queues jobs and commits them in groups.

    Appends go first; a background job (indexing, saving a fold) is committed on its own when no
    append waits, and once in a while when appends never cease.
    """

    def __init__(
        self,
        path: Path,
        on_commit: OnCommit,
        clock: Clock,
        *,
        at_once: AtOnce,
        setup: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to the file at `path`; tell `on_commit` to which streams each commit appended.

        `setup` is SQL that the connection runs first, `at_once` what it has as `at_once`; `now`
        gives seconds, to know by how long an append has waited.
        """
        self._now = now
        self._path = path
        self._at_once = at_once
        self._setup = setup
        self.refusals = Refusals(path, clock, _log)
        self._on_commit = on_commit
        self._appends: deque[_Waiting] = deque()
        self._background: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._commits_since_background = 0
        self._rests_until = 0.0
        self._work = asyncio.Event()
        self._connection: GroupCommit | None = None
        self._closing = False
        self.commit_times = CommitTimes()

    @property
    def waiting(self) -> int:
        """How many jobs wait for their commit."""
        return len(self._appends) + len(self._background)

    async def run(self, ready: asyncio.Future[None]) -> None:
        """Open the file, then commit what is submitted until `close`; `ready` tells when."""

        def factory(*args: Any, **kwargs: Any) -> GroupCommit:
            self._connection = GroupCommit(*args, **kwargs)
            return self._connection

        try:
            async with connected(
                self._path, "rw", factory=factory, timeout=BUSY_SECONDS, cached_statements=256
            ) as database:
                await database.execute_fetchall("PRAGMA journal_mode = WAL")
                await database.execute_fetchall("PRAGMA synchronous = FULL")
                # Zeros written over what is removed would double what retention writes.
                await database.execute_fetchall("PRAGMA secure_delete = OFF")
                await database.execute_fetchall(f"PRAGMA wal_autocheckpoint = {LAST_RESORT_PAGES}")
                await database.execute_fetchall("PRAGMA busy_timeout = 0")
                # A first read opens the write-ahead log too.
                await database.execute_fetchall("SELECT 1 FROM store")
                await database.execute_fetchall("PRAGMA temp_store = MEMORY")
                await database.executescript(self._setup)
                connection = self._opened()
                connection.files = OpenedFiles(self._path)
                connection.at_once, connection.heads = self._at_once, {}
                ready.set_result(None)
                await self._commit_all(database)
                await self._commit(database, [])
        except sqlite3.Error as error:
            if not ready.done():
                ready.set_exception(StoreUnavailable(str(error)))
        finally:
            self._refuse_rest()

    async def _commit_all(self, database: aiosqlite.Connection) -> None:
        while True:
            if self._background_is_due():
                self._commits_since_background = 0
                started = time.monotonic()
                await self._commit(database, [self._background.popleft()])
                self._rest(started)
            elif self._appends:
                self._commits_since_background += 1
                await self._commit(database, self._next_appends())
            elif self._closing and not self._background:
                return
            else:
                await self._wait()

    def _background_is_due(self) -> bool:
        return (
            bool(self._background)
            and (not self._appends or self._commits_since_background >= COMMITS_PER_BACKGROUND_JOB)
            and time.monotonic() >= self._rests_until
        )

    def _rest(self, started: float) -> None:
        """Leave the file to others for a while, if there are any, after a job that began then."""
        now, connection = time.monotonic(), self._connection
        if connection is not None and now - connection.others_seen_at < SHARED_SECONDS:
            self._rests_until = now + max(MIN_REST_SECONDS, now - started)

    async def _wait(self) -> None:
        """Until something is submitted, or the next background job is due."""
        self._work.clear()
        rest = self._rests_until - time.monotonic() if self._background else None
        with suppress(TimeoutError):
            async with asyncio.timeout(rest):
                await self._work.wait()

    def _next_appends(self) -> list[_Waiting]:
        batch = [self._appends.popleft()]
        size = batch[0].size
        while self._appends and size + self._appends[0].size <= MAX_COMMIT_BYTES:
            batch.append(self._appends.popleft())
            size += batch[-1].size
        self._waiting_bytes -= size
        return batch

    async def _commit(self, database: aiosqlite.Connection, batch: list[_Waiting]) -> None:
        connection = self._opened()
        connection.jobs = [waiting.job for waiting in batch]
        try:
            started = time.perf_counter_ns()
            with short_turns:
                await database.commit()
            self.commit_times.add(time.perf_counter_ns() - started)
        except Exception as error:  # noqa: BLE001 - what one job raises must not end the writer
            if _is_of_the_store(error):
                self._refuse(batch, error)
            else:
                await self._after_a_fault(database, batch, error)
            return
        except BaseException as error:
            _fail_all(batch, error)
            raise
        for waiting, outcome in zip(batch, connection.outcomes, strict=True):
            if isinstance(outcome, OpsboardError):
                _fail(waiting.done, outcome)
            elif not waiting.done.done():
                waiting.done.set_result(outcome)
        if connection.shared:
            self.refusals.end()
        self._on_commit(list(connection.shared))

    def _opened(self) -> GroupCommit:
        if self._connection is None:
            raise StoreUnavailable("the store is closed")
        return self._connection

    def _refuse(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """The store is at fault, and undid what it had of the batch."""
        self.refusals.add(_unavailable(error))
        _fail_all(batch, error)

    async def _after_a_fault(
        self, database: aiosqlite.Connection, batch: list[_Waiting], error: Exception
    ) -> None:
        """One job is at fault, not the disk: commit each by itself, so that its neighbours live."""
        if len(batch) == 1:
            _log.error("an entry can not be written", exc_info=error)
            _fail_all(batch, error)
            return
        for waiting in batch:
            await self._commit(database, [waiting])

    def submit(self, job: Callable[[GroupCommit], T], size: int = 0) -> Awaitable[T]:
        """Commit the job, which writes about `size` bytes; gives its result once that is durable.

        Raises `Overloaded` at once where too many wait, `StoreUnavailable` where the commit fails.
        """
        if self._has_too_many(size):
            raise Overloaded("too many writes are waiting for the disk")
        done = self._enqueue(self._appends, job, size)
        self._waiting_bytes += size
        return done

    def _has_too_many(self, size: int) -> bool:
        """Of those that wait, for one more of this size; alone it may have any."""
        waiting = len(self._appends)
        if not waiting:
            return False
        if waiting >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES:
            return True
        return waiting >= CROWD and self._now() - self._appends[0].since > PATIENCE_SECONDS

    def submit_probe(self, job: Callable[[GroupCommit], T]) -> Awaitable[T]:
        """Commit the job, which tells whether that can be done: also where too many wait."""
        return self._enqueue(self._appends, job, 0)

    def submit_in_background(self, job: Callable[[GroupCommit], T]) -> Awaitable[T]:
        """Commit the job by itself when there is time for it. Raises `StoreUnavailable`."""
        return self._enqueue(self._background, job, 0)

    def _enqueue(
        self, queue: deque[_Waiting], job: Callable[[GroupCommit], T], size: int
    ) -> asyncio.Future[T]:
        if self._closing:
            raise StoreUnavailable("the store is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        queue.append(_Waiting(job, size, self._now(), done))
        self._work.set()
        return done

    def close(self) -> None:
        """Take no more; `run` ends when what waits is committed."""
        self._closing = True
        self._work.set()

    def _refuse_rest(self) -> None:
        self._closing = True
        for queue in (self._appends, self._background):
            while queue:
                _fail(queue.popleft().done, StoreUnavailable("the store is closed"))


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another process was writing."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _is_of_the_store(error: Exception) -> bool:
    if isinstance(error, _OF_A_JOB):
        return False
    return isinstance(error, sqlite3.DatabaseError | StoreUnavailable)


def _fail_all(batch: Sequence[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        _fail(waiting.done, _unavailable(error))


def _unavailable(error: BaseException) -> StoreUnavailable:
    if isinstance(error, StoreUnavailable):
        return error
    return StoreUnavailable(f"the store can not be written: {error}")


def _fail(done: asyncio.Future[Any], error: OpsboardError) -> None:
    if not done.done():
        done.set_exception(error)
