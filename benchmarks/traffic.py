"""A day of requests as a service would see them, the same ones each time, chunk by chunk."""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from opsboard.domain.sample import Endpoint, Ints, SampleBatch

END_MS = 1_784_118_896_789
"""2026-07-15T12:34:56.789Z: the end of the traffic, in the middle of a minute."""

DAY_MS = 86_400_000
CHUNK = 100_000
ROUTES = 200
SERVICES = 5
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_SEED = 1
_LEAD_MS = 30_000
_MEDIAN_NS = 20e6
_SPREAD_OF_MEDIANS = 1.0
_SPREAD_OF_LATENCIES = 0.6
_SHARE_OF_MAIN_METHOD = 0.8
_STATUS_CODES = (200, 201, 204, 304, 400, 404, 409, 422, 500, 503)
_STATUS_SHARES: Mapping[str, Mapping[int, float]] = {
    "GET": {200: 0.925, 304: 0.03, 404: 0.03, 500: 0.01, 503: 0.005},
    "POST": {201: 0.9, 400: 0.04, 409: 0.02, 422: 0.02, 500: 0.015, 503: 0.005},
    "PUT": {200: 0.93, 400: 0.03, 404: 0.02, 409: 0.01, 500: 0.01},
    "PATCH": {200: 0.93, 400: 0.03, 404: 0.02, 422: 0.01, 500: 0.01},
    "DELETE": {204: 0.95, 404: 0.04, 500: 0.01},
}


class Traffic:
    """So many requests to `routes` routes (by Zipf's law), over a day and half a minute more.

    So the day that is asked for starts within a minute, as it does in life. Each route has a main
    method and a second one; latencies are log-normal, around a median of the route's own; requests
    arrive as a Poisson process. Another `seed` gives other requests to the same routes.
    """

    def __init__(self, samples: int, *, routes: int = ROUTES, seed: int = _SEED) -> None:
        """Generate nothing yet."""
        self.samples = samples
        self.start_ms = END_MS - DAY_MS - _LEAD_MS
        self._seed = seed
        self._endpoints = [
            Endpoint(f"service-{route % SERVICES}", f"/v1/things-{route}/{{id}}")
            for route in range(routes)
        ]
        self._series, shares = _series(routes)
        self._upto = np.cumsum(shares) / np.sum(shares)
        spread = np.random.default_rng(_SEED).standard_normal(routes) * _SPREAD_OF_MEDIANS
        self._log_medians = np.log(_MEDIAN_NS) + spread

    def chunks(self, size: int | None = None) -> Iterator[SampleBatch]:
        """All requests in the order of their ends, in batches of this size (at least ten)."""
        size = size or min(CHUNK, self.samples // 10)
        random = np.random.default_rng((_SEED, self._seed))
        span_ms = END_MS - self.start_ms
        for done in range(0, self.samples, size):
            count = min(size, self.samples - done)
            start = self.start_ms + span_ms * done / self.samples
            yield self._chunk(random, count, start, span_ms * count / self.samples)

    def _chunk(
        self, random: np.random.Generator, count: int, start_ms: float, span_ms: float
    ) -> SampleBatch:
        endpoint, method, status = self._series[
            :, np.searchsorted(self._upto, random.random(count))
        ]
        # Arrivals of a Poisson process whose number is known are the partial sums of exponential
        # gaps, scaled to their span.
        ends = np.cumsum(random.standard_exponential(count + 1))
        logs = random.standard_normal(count) * _SPREAD_OF_LATENCIES + self._log_medians[endpoint]
        return SampleBatch(
            endpoints=self._endpoints,
            methods=METHODS,
            status_codes=_STATUS_CODES,
            endpoint=endpoint,
            method=method,
            status=status,
            latency_ns=np.exp(logs).astype(np.int64),
            ended_at_ms=(start_ms + ends[:-1] / ends[-1] * span_ms).astype(np.int64),
        )


def _series(routes: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Route, method and status (their places) of every series, as columns; its share."""
    series, shares = [], []
    for route in range(routes):
        for at, of_method in enumerate((_SHARE_OF_MAIN_METHOD, 1 - _SHARE_OF_MAIN_METHOD)):
            method = (route + at * (1 + route // len(METHODS) % (len(METHODS) - 1))) % len(METHODS)
            for status_code, share in _STATUS_SHARES[METHODS[method]].items():
                series.append((route, method, _STATUS_CODES.index(status_code)))
                shares.append(of_method * share / (route + 1))
    return np.array(series, np.int64).T, np.array(shares)
