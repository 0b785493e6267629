"""The files that are begun first, as the tests are run in parallel."""

from ..documentation import ROOT
from ..longest_first import LONGEST


def test_each_is_a_file_of_tests() -> None:
    assert [file for file in LONGEST if not (ROOT / file).is_file()] == []
