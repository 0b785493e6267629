"""Numbers as they stand in a sentence: short, and never in powers of ten."""

import math

LEAST_PERCENT = 0.001
TWO_DIGITS = 10


def percent(share: float | None) -> str:
    """A share in percent, with two figures: `0.12 %`."""
    value = 100 * (share or 0)
    if 0 < value < LEAST_PERCENT:
        return f"under {LEAST_PERCENT} %"
    return f"{_two_figures(value)} %"


def signed_percent(change: float) -> str:
    """A relative change in percent: `+38 %`."""
    return "up from 0" if math.isinf(change) else f"{100 * change:+.0f} %"


def milliseconds(ms: float) -> str:
    """A latency with two figures or more: `0.21 ms`, `1250 ms`."""
    return f"{_two_figures(ms)} ms"


def _two_figures(value: float) -> str:
    return f"{value:.0f}" if value >= TWO_DIGITS else f"{value:.2g}"
