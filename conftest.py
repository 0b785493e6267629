"""Lets pytest collect the pages: README.md and docs/ are tests too."""

import pytest
from tests.documentation import DOCUMENTS, in_page_order
from tests.longest_first import longest_first

pytest_collect_file = DOCUMENTS.pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the blocks of a page in their order, and the longest files first."""
    in_page_order(items)
    longest_first(items)
