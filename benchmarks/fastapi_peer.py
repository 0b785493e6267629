"""The same route as one would write it with FastAPI: a model, and one commit for each event.

`python -m benchmarks.fastapi_peer FILE` serves it on a free port, which it prints.
"""

import json
import socket
import sqlite3
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from .load import HOST

_TABLE = """
CREATE TABLE event(
    id INTEGER PRIMARY KEY,
    ts TEXT NOT NULL,
    level TEXT NOT NULL,
    type TEXT NOT NULL,
    service TEXT NOT NULL,
    message TEXT NOT NULL,
    meta TEXT NOT NULL
)
"""
_INSERT = "INSERT INTO event(ts, level, type, service, message, meta) VALUES (?, ?, ?, ?, ?, ?)"


class Draft(BaseModel):
    """What the route takes."""

    level: Literal["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    type: str = Field(pattern="^[A-Z][A-Z0-9_]{0,31}$")
    message: str = Field(min_length=1, max_length=2_000)
    service: str = Field(default="default", min_length=1, max_length=64)
    meta: dict[str, Any] = {}


class Event(Draft):
    """What the route answers."""

    id: int
    ts: datetime


class Events:
    """A table of events; as durable as opsboard's journal.

    One connection behind a lock: with one for each thread, SQLite's own waiting for the write lock
    sleeps and polls, which is slower.
    """

    def __init__(self, path: str) -> None:
        """Make the table in the file at `path`."""
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_TABLE)

    def add(self, ts: datetime, draft: Draft) -> int:
        """Commit one event; its id."""
        d = draft
        row = (ts.isoformat(), d.level, d.type, d.service, d.message, json.dumps(d.meta))
        with self._lock, self._database:
            return self._database.execute(_INSERT, row).lastrowid or 0


def create_app(events: Events) -> FastAPI:
    """The app over these events."""
    app = FastAPI()

    @app.post("/events")
    def record_event(draft: Draft) -> Event:
        ts = datetime.now(UTC)
        return Event(id=events.add(ts, draft), ts=ts, **draft.model_dump())

    return app


def main(path: str) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(
        create_app(Events(path)),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
    with socket.create_server((HOST, 0), backlog=config.backlog) as listener:
        sys.stdout.write(f"http://{HOST}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
