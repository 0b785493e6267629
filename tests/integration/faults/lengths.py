"""How long the tests of faults run when there is time: `CHAOS_KILLS=20 make chaos`."""

import os


def length(name: str, default: int) -> int:
    """The length that the environment variable `name` sets, or its default."""
    return int(os.environ.get(name, default))
