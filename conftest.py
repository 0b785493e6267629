import pytest

from tests.documentation import DOCUMENTS, in_page_order

pytest_collect_file = DOCUMENTS.pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_page_order(items)
