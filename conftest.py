"""Lets pytest collect the pages, which are tests too, and says in what order and by how many."""

import gc
import os

import pytest
from tests.documentation import DOCUMENTS, in_page_order
from tests.longest_first import longest_first

pytest_collect_file = DOCUMENTS.pytest()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than processors: a test waits for what it started, and for the disk."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the blocks of a page in their order, and the longest files first."""
    in_page_order(items)
    longest_first(items)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: looking through it for garbage took a tenth of all."""
    gc.freeze()
