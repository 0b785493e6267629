"""How long what is kept: samples, the rollups of minutes and of hours, and events."""

import re
from typing import Self

import msgspec

from .instant import NS_PER_SECOND, parse_duration
from .validation import InvalidInput

FOREVER = "forever"
DAY_NS = 86_400 * NS_PER_SECOND

_PART = re.compile(r"(raw|minutes|hours|events)=(\w+)")


class Retention(msgspec.Struct, frozen=True):
    """Ages in ns; None: for ever. What is finer is kept no longer than what is coarser."""

    raw: int | None = 7 * DAY_NS
    minutes: int | None = 30 * DAY_NS
    hours: int | None = 400 * DAY_NS
    events: int | None = 400 * DAY_NS

    @classmethod
    def parse(cls, text: str) -> Self:
        """`forever`, or ages such as `raw=7d,minutes=30d,hours=400d,events=forever`.

        What is left out has its default. Raises `InvalidInput` naming the part.
        """
        if text == FOREVER:
            return cls(None, None, None, None)
        ages: dict[str, int | None] = {}
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None or match[1] in ages:
                raise InvalidInput.of(
                    part.strip() or "it",
                    "must be raw=, minutes=, hours= or events= and an age, once",
                )
            name, age = match.groups()
            ages[name] = None if age == FOREVER else parse_duration(age, name)
        retention = cls(**ages)
        retention.check()
        return retention

    def check(self) -> None:
        """Raises `InvalidInput` naming the part that can not be kept so."""
        for name, age in (("raw", self.raw), ("events", self.events)):
            if age is not None and age < DAY_NS:
                raise InvalidInput.of(name, "must be at least 1d: keys are known for 24 hours")
        for finer, coarser in (("raw", "minutes"), ("minutes", "hours")):
            least, age = getattr(self, finer), getattr(self, coarser)
            if age is not None and (least is None or age < least + DAY_NS):
                raise InvalidInput.of(coarser, f"must be at least a day longer than {finer}")

    def __str__(self) -> str:
        """As it is parsed."""
        ages = {name: getattr(self, name) for name in self.__struct_fields__}
        if not any(ages.values()):
            return FOREVER
        return ",".join(f"{name}={_said(age)}" for name, age in ages.items())


DEFAULT_RETENTION = Retention()


def _said(age: int | None) -> str:
    if age is None:
        return FOREVER
    seconds = age // NS_PER_SECOND
    unit, name = next(
        (u, n) for u, n in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")) if seconds % u == 0
    )
    return f"{seconds // unit}{name}"
