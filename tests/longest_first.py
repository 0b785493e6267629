"""The files that take longest are begun first, whatever shuffles the others.

A process takes one file after another: had it a long one left when the others are done, they would
wait for it. How many tests a file has, by which pytest-xdist would go, does not say how long it
takes: its `--no-loadscope-reorder` keeps this order.
"""

import pytest

_INTEGRATION = "tests/integration"
LONGEST = tuple(
    f"{_INTEGRATION}/{name}"
    for name in (
        "test_openapi.py",
        "test_workers.py",
        "browser/test_dashboard.py",
        "test_samples.py",
        "contracts/test_metrics_engine.py",
        "contracts/test_retention.py",
        "test_shared_file.py",
        "test_cli.py",
        "test_otlp_clients.py",
        "test_otlp_traces.py",
        "test_otlp_metrics.py",
        "test_http_contract.py",
        "browser/test_servers.py",
        "test_crash.py",
    )
)
_PLACES = {file: place for place, file in enumerate(LONGEST)}


def longest_first(items: list[pytest.Item]) -> None:
    """Bring the tests of those files to the front; otherwise the order stays as it is."""
    items.sort(key=lambda item: _PLACES.get(item.nodeid.partition("::")[0], len(LONGEST)))
