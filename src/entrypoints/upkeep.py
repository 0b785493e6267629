"""What the commands that look after a store do, apart from how they are typed."""

from collections.abc import AsyncIterator
from pathlib import Path

from ..adapters.system import SystemClock
from ..application.rebuild import rebuild as rebuild_store
from ..application.statistics import Statistics, StreamStatistics, statistics
from ..domain.instant import format_instant
from .settings import StoreUrl
from .shell import existing, progress


async def back_up(url: StoreUrl, target: Path) -> None:
    """Copy a store to a new file. Raises `StoreUnusable`, `StoreUnavailable`."""
    async with existing(url) as store:
        await store.backup(target)


async def compact(url: StoreUrl) -> int:
    """Give a store's free space back; how many bytes. Raises what `back_up` does."""
    async with existing(url) as store:
        return await _shown("compacting", store.compact())


async def rebuild(url: StoreUrl) -> int:
    """Fold a store's read models anew; from how many entries. Raises what `back_up` does."""
    async with existing(url) as store:
        return await _shown("rebuilding", rebuild_store(store, SystemClock()))


async def _shown(what: str, steps: AsyncIterator[tuple[int, int]]) -> int:
    """Take the steps, with a bar and an estimate of what is left; how far they went."""
    done = 0
    with progress(what, None) as (bar, task):
        async for done, total in steps:
            bar.update(task, completed=done, total=total)
    return done


async def stats(url: StoreUrl) -> list[str]:
    """What a store holds, line by line. Raises what `back_up` does."""
    async with existing(url) as store:
        found = await statistics(store)
    size = 0 if url.path is None else url.path.stat().st_size
    return [
        f"store     {url}, {size:,} bytes",
        *(_stream_line(each) for each in found.streams if each.last),
        f"samples   {found.samples:,} in {found.series:,} series{_bytes_a_sample(found)}",
        *(
            f"rollups   {count:,} {tier}s, {taken:,} bytes"
            for tier, (count, taken) in found.rollups.items()
        ),
    ]


def _bytes_a_sample(found: Statistics) -> str:
    samples = next(each for each in found.streams if each.stream == "samples")
    if samples.first > 1 or not found.samples:
        return ""
    return f", {samples.payload_bytes / found.samples:.2f} bytes a sample"


def _stream_line(each: StreamStatistics) -> str:
    if not each.entries:
        return f"{each.stream:9} none kept, the last was {each.last:,}"
    span = f"{format_instant(each.recorded_from)} to {format_instant(each.recorded_to)}"
    return (
        f"{each.stream:9} {each.entries:,} entries ({each.first:,} to {each.last:,}), "
        f"{each.payload_bytes:,} bytes, {span}, {each.lag:,} behind"
    )
