"""Segments: sample batches as every store keeps them.

Labels go into small dictionaries of the segment's own, so that it can travel between stores as it
is; a series is three columns of small numbers, of which the second and third hardly cost anything.
"""

from functools import lru_cache

import msgspec
import numpy as np

from ..domain.sample import Endpoint, SampleBatch
from .columns import DamagedColumns, pack, unpack
from .label_columns import check_labels
from .zigzag import unzigzag, zigzag

VERSION = 1

_MAGIC = b"OPSS"
_COLUMNS = 6
_CACHED = 16
_LABELS = msgspec.msgpack.Decoder(tuple[list[Endpoint], list[str], list[int]])


def encode_segment(batch: SampleBatch) -> bytes:
    """The batch as bytes: about five for a sample."""
    labels = msgspec.msgpack.encode((batch.endpoints, batch.methods, batch.status_codes))
    first = batch.ended_at_ms[:1]
    steps = np.diff(batch.ended_at_ms)
    columns = (
        batch.endpoint,
        batch.method,
        batch.status,
        batch.latency_ns,
        first,
        zigzag(steps),
    )
    return pack(_MAGIC, VERSION, labels, columns)


def decode_segment(payload: bytes) -> SampleBatch:
    """The batch that was encoded. Raises `DamagedColumns`."""
    packed, columns = unpack(_MAGIC, VERSION, payload)
    try:
        endpoints, methods, status_codes = _labels(packed)
    except msgspec.MsgspecError as error:
        raise DamagedColumns(f"has unreadable labels: {error}") from error
    if len(columns) != _COLUMNS:
        raise DamagedColumns(f"has {len(columns)} columns, not {_COLUMNS}")
    endpoint, method, status, latency_ns, first, folded = columns
    batch = SampleBatch(
        endpoints=endpoints,
        methods=methods,
        status_codes=status_codes,
        endpoint=endpoint,
        method=method,
        status=status,
        latency_ns=latency_ns,
        ended_at_ms=np.cumsum(np.concatenate([first, unzigzag(folded)])),
    )
    check_labels(batch)
    if len(batch.ended_at_ms) != len(batch):
        raise DamagedColumns("has a wrong time column")
    # Now, while the columns are in the processor's cache: who folds wants nothing else of them.
    batch.series_codes()
    return batch


@lru_cache(_CACHED)
def _labels(packed: bytes) -> tuple[list[Endpoint], list[str], list[int]]:
    """The labels, which segments that follow each other often have in common."""
    return _LABELS.decode(packed)
