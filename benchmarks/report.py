"""What the benchmarks share: interleaved rounds, tables, bars."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

T = TypeVar("T")


@dataclass(frozen=True)
class Bar:
    """One claim, and what this run saw of it."""

    claim: str
    seen: float
    limit: float
    at_least: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the figure is on the right side of the limit; one that is NaN never is."""
        return self.seen >= self.limit if self.at_least else self.seen <= self.limit

    def __str__(self) -> str:
        """One line."""
        verdict = "reached" if self.reached else "MISSED "
        side = "at least" if self.at_least else "at most"
        seen = "not measured" if math.isnan(self.seen) else f"{self.seen:.3g}{self.unit}"
        return f"{verdict}  {self.claim}: {seen} (bar: {side} {self.limit:.3g}{self.unit})"


def interleaved(contenders: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """Every contender once in each round, each round beginning with another one."""
    for number in range(rounds):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            yield number, contender


def progress(text: str) -> None:
    """Say on standard error what is being done, so that the tables can be piped."""
    click.echo(f"... {text}", err=True)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Plain text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    click.echo(f"\n{title}\n")
    for row in (header, ["-" * width for width in widths], *rows):
        name, *figures = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join([name, *figures]).rstrip())
