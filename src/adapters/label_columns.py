"""What batches of samples and of histograms are checked for alike, when they come from a store."""

from ..domain.sample import SeriesRows
from .columns import DamagedColumns


def check_labels(rows: SeriesRows) -> None:
    """Raises `DamagedColumns` where a row lacks a label, or points at none."""
    for name, column, labels in (
        ("endpoint", rows.endpoint, rows.endpoints),
        ("method", rows.method, rows.methods),
        ("status", rows.status, rows.status_codes),
    ):
        if len(column) != len(rows) or int(column.max(initial=-1)) >= len(labels):
            raise DamagedColumns(f"has a wrong {name} column")
