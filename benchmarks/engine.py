"""The metrics engine: ingest, weight, fold, questions, growth, and events beside what it does."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from . import (
    engine_fold,
    engine_growth,
    engine_ingest,
    engine_latency,
    engine_query,
    engine_retention,
)
from .report import Bar

FOLDED = 10_000_000


def run(quick: bool) -> Sequence[Bar]:
    """Measure, print the tables, give the bars."""
    bars = [*engine_ingest.run(quick)]
    with TemporaryDirectory() as folder:
        stores = engine_growth.fill_all(quick, Path(folder))
        bars += engine_fold.run(quick, stores.largest, stores.filled[FOLDED])
        bars += engine_query.run(quick, stores.filled)
        bars += engine_growth.run(quick, Path(folder), stores)
        bars += engine_latency.run(quick, stores.filled[FOLDED])
        bars += engine_retention.run(stores.filled[FOLDED], Path(folder))
    return bars
