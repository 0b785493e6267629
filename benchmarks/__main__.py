"""`python -m benchmarks [NAME ...] [--quick]`: all of them where none is named."""

import click

from . import (
    dashboard,
    engine,
    events,
    exposition,
    footprint,
    ingest,
    live,
    middleware,
    routes,
    shipping,
    upkeep,
)
from .killed import report as killed

BENCHMARKS = {
    "middleware": middleware.run,
    "shipping": shipping.run,
    "events": events.run,
    "ingest": ingest.run,
    "routes": routes.run,
    "live": live.run,
    "footprint": footprint.run,
    "engine": engine.run,
    "exposition": exposition.run,
    "dashboard": dashboard.run,
    "killed": killed.run,
    "upkeep": upkeep.run,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="fewer and shorter rounds: for a look, not for a claim")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Run the benchmarks with these NAMES (all if none is given), and say which bars they reach."""
    bars = [bar for name in names or BENCHMARKS for bar in BENCHMARKS[name](quick)]
    click.echo()
    for bar in bars:
        click.echo(bar)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
