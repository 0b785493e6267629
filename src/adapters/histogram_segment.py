"""Batches of histograms as every store keeps them: a frame as a segment's, with other columns."""

from typing import TypeAlias

import msgspec
import numpy as np

from ..domain.cumulative import CumulativePoint
from ..domain.histogram_batch import HistogramBatch
from ..domain.sample import Endpoint
from .columns import DamagedColumns, pack, unpack
from .label_columns import check_labels
from .zigzag import unzigzag, zigzag

VERSION = 1

_MAGIC = b"OPSH"
_COLUMNS = 12
_Labels: TypeAlias = tuple[list[Endpoint], list[str], list[int], list[CumulativePoint]]
_decode_labels = msgspec.msgpack.Decoder(_Labels).decode


def encode_histograms(batch: HistogramBatch) -> bytes:
    """The batch as bytes."""
    labels = msgspec.msgpack.encode(
        (batch.endpoints, batch.methods, batch.status_codes, batch.points)
    )
    columns = (
        batch.endpoint,
        batch.method,
        batch.status,
        batch.ended_at_ms,
        batch.ended_at_ms - batch.started_at_ms,
        batch.count,
        batch.zero_count,
        batch.sum_ns,
        batch.max_ns,
        batch.cells,
        zigzag(batch.bucket),
        batch.bucket_count,
    )
    return pack(_MAGIC, VERSION, labels, columns)


def decode_histograms(payload: bytes) -> HistogramBatch:
    """The batch that was encoded. Raises `DamagedColumns`."""
    packed, columns = unpack(_MAGIC, VERSION, payload)
    try:
        endpoints, methods, status_codes, points = _decode_labels(packed)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamagedColumns(f"has unreadable labels: {error}") from error
    if len(columns) != _COLUMNS:
        raise DamagedColumns(f"has {len(columns)} columns, not {_COLUMNS}")
    endpoint, method, status, ended_at_ms, lasted_ms, *counts = columns
    count, zero_count, sum_ns, max_ns, cells, folded, bucket_count = counts
    if len({len(column) for column in columns[:10]}) != 1 or len(folded) != len(bucket_count):
        raise DamagedColumns("has columns that differ in length")
    batch = HistogramBatch(
        endpoints=endpoints,
        methods=methods,
        status_codes=status_codes,
        endpoint=endpoint,
        method=method,
        status=status,
        started_at_ms=ended_at_ms - lasted_ms,
        ended_at_ms=ended_at_ms,
        count=count,
        zero_count=zero_count,
        sum_ns=sum_ns,
        max_ns=max_ns,
        cells=cells,
        bucket=unzigzag(folded),
        bucket_count=bucket_count,
        points=points,
    )
    check_labels(batch)
    _check_buckets(batch)
    return batch


def _check_buckets(batch: HistogramBatch) -> None:
    """Raises `DamagedColumns` where buckets are not as many as the rows say, or not the count."""
    if int(batch.cells.sum()) != len(batch.bucket):
        raise DamagedColumns("has another number of buckets than its rows")
    upto = np.concatenate([[0], np.cumsum(batch.bucket_count)])
    ends = np.cumsum(batch.cells)
    if not np.array_equal(upto[ends] - upto[ends - batch.cells] + batch.zero_count, batch.count):
        raise DamagedColumns("has buckets that do not add up to the count")
