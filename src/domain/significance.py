"""Whether two shares differ by more than chance: of requests that failed, or that were slow.

The test is that of two proportions with the variance of both together (Fleiss, Levin and Paik,
"Statistical Methods for Rates and Proportions", 3rd ed., section 3.2). It takes requests for
independent, and those of a real service are not: they fail and slow down in bursts. So the variance
is multiplied by how much more the parts (minutes, say) differ from each other than chance would
have it: Pearson's statistic over its degrees of freedom, never below 1 (McCullagh and Nelder,
"Generalized Linear Models", 2nd ed., section 4.5). Where few are expected, the normal distribution
is no guide, and Fisher's exact test stands in for it.
"""

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

from .sample import Ints

MIN_EXPECTED = 5.0
"""Of those that count, expected on either side: below it, the test is the exact one."""
MIN_FREEDOM = 8
"""Parts beyond two, from which on their variation is believed."""
NEGLIGIBLE = 1e-12
HIGHEST_Z = 37.0
"""Beyond this no probability can be told from 0."""

_NORMAL = NormalDist()


class Trials(NamedTuple):
    """How many requests there were in each part, and how many of them counted (failed, say)."""

    total: Ints
    counted: Ints


def difference(before: Trials, after: Trials) -> float:
    """How far the share after is above the one before, in standard deviations; below: negative.

    0 where one side has no request.
    """
    n_before, n_after = int(before.total.sum()), int(after.total.sum())
    k_before, k_after = int(before.counted.sum()), int(after.counted.sum())
    n, k = n_before + n_after, k_before + k_after
    if not (n_before and n_after and 0 < k < n):
        return 0.0
    share = k / n
    if min(share, 1 - share) * min(n_before, n_after) < MIN_EXPECTED:
        return _exact(n_before, k_before, n_after, k_after)
    variance = share * (1 - share) * (1 / n_before + 1 / n_after)
    spread = max(1.0, _dispersion(before, after, share))
    return (k_after / n_after - k_before / n_before) / math.sqrt(variance * spread)


def critical(confidence: float, tests: int = 1) -> float:
    """The deviation beyond which chance is ruled out, where so many are tested (Bonferroni)."""
    return _NORMAL.inv_cdf(1 - (1 - confidence) / (2 * tests))


def _dispersion(before: Trials, after: Trials, share: float) -> float:
    statistic, freedom = 0.0, 0
    for total, counted in (before, after):
        some = total > 0
        n, k = total[some], counted[some]
        expected = n * (k.sum() / n.sum())
        statistic += float((((k - expected) ** 2) / (n * share * (1 - share))).sum())
        freedom += len(n) - 1
    return statistic / freedom if freedom >= MIN_FREEDOM else 1.0


def _exact(n_before: int, k_before: int, n_after: int, k_after: int) -> float:
    """Fisher's exact test, as the deviation that the normal distribution has as improbable."""
    n, k = n_before + n_after, k_before + k_after
    rises = k_after * n_before > k_before * n_after
    step = 1 if rises else -1
    tail = 0.0
    for probability in _tail(n, k, n_after, k_after, step):
        tail += probability
        if probability < NEGLIGIBLE * tail:
            break
    # As likely as not, or likelier: no difference at all.
    p = min(tail, 0.5)
    z = HIGHEST_Z if p <= 0 else min(HIGHEST_Z, -_NORMAL.inv_cdf(p))
    return step * z


def _tail(n: int, k: int, n_after: int, k_after: int, step: int) -> Iterator[float]:
    """The probabilities of so many after, and of each number further out (hypergeometric)."""
    ways = _log_choose(n, n_after)
    at = k_after
    while max(0, n_after - (n - k)) <= at <= min(k, n_after):
        yield math.exp(_log_choose(k, at) + _log_choose(n - k, n_after - at) - ways)
        at += step


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
