"""Lets pytest collect the pages: README.md and docs/ are tests too."""

import pytest
from tests.documentation import DOCUMENTS, in_page_order

pytest_collect_file = DOCUMENTS.pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the blocks of a page in their order, whatever shuffles the tests."""
    in_page_order(items)
