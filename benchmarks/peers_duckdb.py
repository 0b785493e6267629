"""DuckDB: a columnar database that runs in the process."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from opsboard.domain.sample import SampleBatch, SeriesKey

from .peers import QUANTILES, SERIES, Answer, Latencies, PeerMissing
from .traffic import DAY_MS, END_MS

_CREATE = """
CREATE TABLE sample(
    service VARCHAR, route VARCHAR, method VARCHAR, status_code SMALLINT,
    latency_ns BIGINT, ended_at_ms BIGINT
)
"""
_INSERT = """
INSERT INTO sample
SELECT $services[endpoint + 1], $routes[endpoint + 1], $methods[method + 1],
       $status_codes[status + 1], latency_ns, ended_at_ms
FROM chunk
"""
_ASK = f"""
SELECT {SERIES}, count(*), quantile_cont(latency_ns, {list(QUANTILES)})
FROM sample WHERE ended_at_ms >= ? AND ended_at_ms < ? GROUP BY {SERIES}
"""  # noqa: S608


class DuckDb:
    """One table, and one thread."""

    def __init__(self, connection: Any, version: str) -> None:
        """Create the table."""
        self.version = f"DuckDB {version}"
        self._connection = connection
        connection.execute("SET threads = 1")
        connection.execute(_CREATE)

    def load(self, chunks: Iterable[SampleBatch]) -> None:
        """See `Peer.load`."""
        for chunk in chunks:
            columns = ("endpoint", "method", "status", "latency_ns", "ended_at_ms")
            self._connection.register("chunk", {name: getattr(chunk, name) for name in columns})
            labels = {
                "services": [endpoint.service for endpoint in chunk.endpoints],
                "routes": [endpoint.route for endpoint in chunk.endpoints],
                "methods": list(chunk.methods),
                "status_codes": list(chunk.status_codes),
            }
            self._connection.execute(_INSERT, labels)
        self._connection.execute("CHECKPOINT")

    def ask(self) -> Answer:
        """See `Peer.ask`."""
        rows = self._connection.execute(_ASK, [END_MS - DAY_MS, END_MS]).fetchall()
        return {
            SeriesKey(*key): Latencies(count, *(ns / 1e6 for ns in quantiles))
            for *key, count, quantiles in rows
        }


@contextmanager
def duckdb_table(folder: Path) -> Iterator[DuckDb]:
    """A new database file in `folder`. Raises `PeerMissing`."""
    try:
        duckdb = import_module("duckdb")
    except ImportError as error:
        raise PeerMissing(str(error)) from error
    with duckdb.connect(str(folder / "duck.db")) as connection:
        yield DuckDb(connection, duckdb.__version__)
