"""How often the tests try what chance or a search picks out.

`TRIES=few`, which `make test` sets so that it is soon done, is a fourth of them, and the first ones
of all that there are: `make coverage`, and so the gate, makes them all, as pytest does by itself.
"""

import os

FEW = os.environ.get("TRIES") == "few"
"""Whether a fourth is enough."""


def tries(number: int) -> int:
    """How many of `number` tries to make; one at least."""
    return -(-number // 4) if FEW else number
